package homeroom.local.rules_test

import data.homeroom.local.rules

test_template_takes_nothing_away if {
	rules.open with input.query as {}
	rules.withheld == set()
	rules.conditions == {}
}

test_no_question_is_not_answered if not rules.open with input as {}
