"""A rule that loses a line is noticed: a fixed few of the mutants of `make mutate-policy`."""

from tools.policy_mutations import FOLDERS, Mutant, mutants, survivors
from tools.policy_vectors import POLICY

EVERY = 90


def test_a_policy_without_one_of_its_lines_fails_some_test() -> None:
    """Each of these fails a test beside the rules or changes a vector, if it compiles at all."""
    chosen = [mutant for folder in FOLDERS for mutant in mutants(folder)][::EVERY]
    compiled, survived = survivors(chosen, 1)
    assert compiled > len(chosen) // 3
    assert list(map(str, survived)) == []


def test_what_changes_no_answer_survives() -> None:
    """The judges let a rule pass that nothing uses: what they do not let pass was missed."""
    source = (POLICY / "local" / "rules.rego").read_text()
    idle = Mutant("local", "rules.rego", 1, "idle", f"{source}\nidle := 1\n")
    assert survivors([idle], 1) == (1, [idle])
    assert survivors([idle._replace(source="package homeroom.local.rules\n")], 1)[1] == []
