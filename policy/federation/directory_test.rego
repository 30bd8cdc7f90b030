package homeroom.federation.directory_test

import data.homeroom.federation.directory
import data.homeroom.federation.example_test as example

facts := example.asking(example.claiming("directory_information"), ["name", "grade_level"])

refused := {"directory_conditions_not_met"}

test_allowed if {
	directory.codes == set() with input as facts
	directory.withheld == set() with input as facts
}

test_found_by_an_open_key_or_none if {
	key := "/matters/directory/match_key"
	every open in ["none", "name", "address"] {
		directory.codes == set() with input as example.changed(facts, key, open)
	}
	every closed in ["ssn", "student_number", "date_of_birth", ""] {
		directory.codes == refused with input as example.changed(facts, key, closed)
	}
}

test_no_public_notice if {
	silent := json.remove(facts, ["/holder/notices/directory_types"])
	directory.codes == refused with input as example.changed(silent, "/matters/directory/match_key", "none")
}

test_limited_policy if {
	parties := "/holder/notices/directory_limited_to_parties"
	directory.codes == set() with input as example.changed(facts, parties, {"only": ["neighborhood_initiative"]})
	directory.codes == refused with input as example.changed(facts, parties, {"only": ["yearbook_co"]})
	directory.codes == refused with input as json.remove(facts, [parties])
	purposes := "/holder/notices/directory_limited_to_purposes"
	directory.codes == set() with input as example.changed(facts, purposes, {"only": ["direct_service"]})
	directory.codes == refused with input as example.changed(facts, purposes, {"only": ["yearbook"]})
	directory.codes == refused with input as json.remove(facts, [purposes])
}

test_never_directory_even_if_designated if {
	every element in ["daily_attendance", "ssn", "student_number"] {
		asked := example.asking(facts, [element])
		named := example.changed(asked, "/holder/notices/directory_types", ["name", element])
		directory.withheld == {[element, "directory_not_designated"]} with input as named
	}
}

test_living_situation_is_never_directory_information if {
	directory.withheld == {
		["homeless_status", "directory_not_designated"],
		["homeless_status", "protected_living_situation"],
	} with input as example.asking(facts, ["homeless_status"])
}
