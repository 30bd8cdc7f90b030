package homeroom.federation.record_reading_test

import data.homeroom.federation.record_reading

office := {
	"schema": 1,
	"now": "2026-11-22T12:00:00Z",
	"holder": {"jurisdiction": "WA"},
	"reader": {"view": "custodian", "role": "registrar"},
	"asked": {"about": "everyone"},
}

parent := {
	"relation": "parent",
	"identified": true,
	"dependent_for_tax": false,
	"rights_limited": false,
	"postsecondary": false,
	"age": 12,
}

family(person) := object.union(office, {
	"reader": {"view": "family"},
	"asked": {"about": "student"},
	"family": object.union(parent, person),
})

granted(asked) := words if {
	words := record_reading.document.granted with input as asked
}

test_who_keeps_the_record_reads_all_of_it if {
	granted(office) == ["record", "secret"]
	granted(object.union(office, {"asked": {"about": "student"}})) == ["copy", "record", "secret"]
}

test_nobody_else_at_the_holder_does if {
	every role in ["teacher", "case_manager", "records_auditor", "", 5, null] {
		granted(object.union(office, {"reader": {"role": role}})) == []
	}
	granted(object.union(office, {"reader": {"view": "partner"}})) == []
}

test_an_auditor_reads_entries_alone if {
	audit := {"reader": {"view": "record_audit", "role": "records_auditor"}}
	granted(object.union(office, audit)) == ["record"]
	granted(object.union(office, {"reader": {"view": "record_audit"}})) == []
}

test_a_parent_reads_the_childs_own if {
	granted(family({})) == ["copy", "record"]
	granted(family({"dependent_for_tax": true, "age": 19})) == ["copy", "record"]
	granted(family({"dependent_for_tax": true, "postsecondary": true})) == ["copy", "record"]
}

test_a_parent_whose_rights_are_over_does_not if {
	every person in [
		{"identified": false},
		{"rights_limited": true},
		{"age": 18},
		{"age": "12"},
		{"postsecondary": true},
		{"relation": "aunt"},
	] {
		granted(family(person)) == []
	}
	granted(object.union(family({}), {"asked": {"about": "everyone"}})) == []
	granted(object.union(family({}), {"reader": {"role": "teacher"}})) == []
}

test_a_fact_that_is_missing_refuses if {
	every missing in ["relation", "identified", "rights_limited", "postsecondary", "age"] {
		granted(object.union(
			object.remove(family({}), ["family"]),
			{"family": object.remove(parent, [missing])},
		)) == []
	}
}

test_a_student_reads_when_the_rights_are_theirs if {
	granted(family({"relation": "eligible_student", "age": 18})) == ["copy", "record"]
	granted(family({"relation": "eligible_student", "age": 17, "postsecondary": true})) == ["copy", "record"]
	granted(family({"relation": "eligible_student", "age": 17})) == []
	granted(family({"relation": "aunt", "age": 18})) == []
	granted(family({"relation": "eligible_student", "age": "12"})) == []
	granted(object.union(family({}), {"reader": {"view": "partner"}})) == []
	granted(family({"relation": "parent", "age": 12, "postsecondary": "no"})) == []
}

test_massachusetts_lets_the_student_read_from_fourteen if {
	here := {"holder": {"jurisdiction": "MA"}}
	granted(object.union(family({"relation": "minor_student", "age": 14}), here)) == ["copy", "record"]
	granted(object.union(family({"relation": "minor_student", "age": 13}), here)) == []
	granted(family({"relation": "minor_student", "age": 14})) == []
	granted(object.union(family({"relation": "aunt", "age": 14}), here)) == []
}

test_another_schema_has_no_document if {
	not record_reading.document with input as object.union(office, {"schema": 2})
}
