"""What a node keeps of agreements can be written out for a registry that lost them."""

from pathlib import Path

from typer.testing import CliRunner

from services.node.__main__ import app
from services.node.opening import open_stores


def test_a_node_writes_the_state_that_it_saw_last_and_replaces_no_file(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}.db" for name in ("records", "state")]
    out = tmp_path / "kept.bin"
    command = ["keep-agreements", str(out), "--records-url", urls[0], "--state-url", urls[1]]
    assert CliRunner().invoke(app, command).exit_code != 0
    assert not out.exists()

    open_stores(urls[0], urls[1]).state.save(b"a signed snapshot")
    assert CliRunner().invoke(app, command).exit_code == 0
    assert out.read_bytes() == b"a signed snapshot"
    assert CliRunner().invoke(app, command).exit_code != 0
