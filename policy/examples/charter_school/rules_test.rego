package homeroom.local.rules_test

import data.homeroom.local.rules

test_named_students if {
	rules.open with input.query as {"level": "student", "named_students": 3}
	not rules.open with input.query as {"level": "student", "named_students": 0}
}

test_counts if rules.open with input.query as {"level": "aggregate", "named_students": 0}

test_no_question if {
	not rules.open with input as {}
	rules.withheld == set()
	rules.conditions == {}
}
