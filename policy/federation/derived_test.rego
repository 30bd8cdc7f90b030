package homeroom.federation.derived_test

import data.homeroom.federation.derived
import data.homeroom.federation.example_test as example

asked := json.patch(example.facts, [
	{"op": "add", "path": "/query/elements", "value": ["daily_attendance", "early_warning_flag"]},
	{"op": "add", "path": "/agreement/elements", "value": ["daily_attendance", "early_warning_flag", "gpa"]},
	{"op": "add", "path": "/holder/derived_from", "value": {"early_warning_flag": ["gpa"]}},
])

test_supported_by_every_source if {
	derived.supported == {"daily_attendance", "early_warning_flag"} with input as asked
}

test_not_supported if {
	every sources in [[], ["gpa", "suspensions"]] {
		other := example.changed(asked, "/holder/derived_from/early_warning_flag", sources)
		derived.supported == {"daily_attendance"} with input as other
	}
	derived.supported == {"daily_attendance"} with input as json.remove(asked, ["/holder/derived_from"])
}
