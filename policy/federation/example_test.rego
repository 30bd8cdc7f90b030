# METADATA
# title: An input for the tests
# description: >-
#   A case manager asks for the attendance of students at two schools, with their consent; all is in
#   order. `claiming` is the same question under another ground, with what that ground needs.
package homeroom.federation.example_test

facts := {
	"schema": 1,
	"now": "2026-03-10T14:00:00Z",
	"query": {
		"requester": "neighborhood_initiative",
		"purpose": "direct_service",
		"basis": "consent",
		"dataset": "attendance",
		"elements": ["daily_attendance", "school_of_enrollment"],
		"level": "student",
		"schools": [],
		"named_students": 0,
		"onward_to": [],
	},
	"requester": {
		"organization_id": "neighborhood_initiative",
		"kind": "community_org",
		"standing": "active",
	},
	"user": {
		"authenticated": true,
		"role": "case_manager",
		"training_valid_to": "2026-12-31",
		"capacity": "own",
		"reach": "organization",
	},
	"holder": {
		"organization_id": "harbor_ps",
		"kind": "district",
		"ferpa_covered": true,
		"dataset_elements": [element | some element, _ in data.federation.elements],
		"max_state_age_seconds": 30,
	},
	"agreement": agreement,
	"state": {
		"registry_sequence": 7,
		"registry_confirmed_at": "2026-03-10T13:59:55Z",
		"consent_sequence": 9,
		"consent_confirmed_at": "2026-03-10T13:59:58Z",
	},
}

agreement := {
	"id": "DSA-M1",
	"version": 1,
	"kind": "consented_sharing",
	"state": "active",
	"parties": ["harbor_ps", "neighborhood_initiative"],
	"signed_by": ["harbor_ps", "neighborhood_initiative"],
	"disclosers": ["harbor_ps"],
	"recipients": ["neighborhood_initiative"],
	"legal_basis": ["consent"],
	"purposes": ["direct_service", "program_evaluation"],
	"elements": ["daily_attendance", "school_of_enrollment", "suspensions"],
	"level": "student",
	"schools": {"only": ["elm_k8", "river_high"]},
	"effective_from": "2025-08-01",
	"effective_to": "2026-07-31",
	"redisclosure_to": [],
	"terms": [],
}

notices := {
	"school_official_criteria": ["employees"],
	"forwards_records_on_transfer": false,
	"directory_types": ["name", "grade_level", "address"],
	"directory_limited_to_parties": {"all": true},
	"directory_limited_to_purposes": {"all": true},
}

# What each ground needs beside the question: who asks, and what is on file.
needs := {
	"school_official": {"kind": "community_org", "matter": ["school_official", {
		"institutional_service": true,
		"direct_control": true,
		"bound_by_99_33a": true,
		"meets_published_criteria": true,
		"elements_needed": ["daily_attendance", "school_of_enrollment", "disclosure_record"],
	}]},
	"transfer": {"kind": "district", "matter": ["transfer", {
		"student_status": "enrolled",
		"relates_to_enrollment": true,
		"parent_initiated": true,
	}]},
	"audit_evaluation": {"kind": "community_org", "matter": ["audit", {
		"subject_is_education_program": true,
		"publicly_supported": true,
	}]},
	"studies": {"kind": "research_org", "matter": ["study", {
		"aim": "improve_instruction",
		"on_behalf_of_holder": true,
		"identifies_to_others": false,
	}]},
	"judicial_order": {"kind": "court", "matter": ["order", {
		"kind": "subpoena",
		"issued_by_court_or_lawful_authority": true,
		"notice_effort_made": true,
	}]},
	"emergency": {"kind": "health_provider", "matter": ["emergency", {
		"declared": true,
		"threat_recorded": true,
		"articulable_and_significant": true,
		"recipient_needs_to_know": true,
		"elements_necessary": ["daily_attendance", "school_of_enrollment"],
	}]},
	"directory_information": {"kind": "vendor", "matter": ["directory", {"match_key": "name"}]},
	"child_welfare": {"kind": "child_welfare_agency", "matter": ["child_welfare", {
		"legally_responsible": true,
		"may_access_case_plan": true,
	}]},
	"parent_or_student_access": {"kind": "household", "matter": ["access", {
		"relation": "parent",
		"rights": "full",
	}]},
	"deidentified": {"kind": "research_org", "matter": ["deidentification", {
		"code_method": "none",
		"requester_knows_identity": false,
	}]},
	"aggregate": {"kind": "community_org", "matter": ["idea", {"situation": "none"}]},
	"partner_record": {"kind": "district", "matter": ["idea", {"situation": "none"}]},
}

levels := {"deidentified": "deidentified_student", "aggregate": "aggregate"}

held(matter) := object.union(matter, {
	"requester": "neighborhood_initiative",
	"valid_from": "2026-03-01T00:00:00Z",
	"valid_to": "2026-03-31T00:00:00Z",
})

named := {"transfer", "judicial_order", "emergency", "child_welfare", "parent_or_student_access"}

claiming(basis) := json.patch(facts, [
	{"op": "add", "path": "/query/basis", "value": basis},
	{"op": "add", "path": "/query/level", "value": object.get(levels, basis, "student")},
	{"op": "add", "path": "/query/named_students", "value": count(named & {basis})},
	{"op": "add", "path": "/requester/kind", "value": needs[basis].kind},
	{"op": "add", "path": "/agreement/legal_basis", "value": [basis]},
	{"op": "add", "path": "/agreement/terms", "value": object.get(data.federation.mandatory_terms, basis, [])},
	{"op": "add", "path": "/holder/notices", "value": notices},
	{"op": "add", "path": "/holder/ferpa_covered", "value": basis != "partner_record"},
	{"op": "add", "path": "/matters", "value": {needs[basis].matter[0]: held(needs[basis].matter[1])}},
])

# The same input with one member written over, or added.
with_value(path, value) := json.patch(facts, [{"op": "add", "path": path, "value": value}])

changed(input_facts, path, value) := json.patch(input_facts, [{"op": "add", "path": path, "value": value}])

asking(input_facts, elements) := json.patch(input_facts, [
	{"op": "add", "path": "/query/elements", "value": elements},
	{"op": "add", "path": "/agreement/elements", "value": elements},
])

without(path) := json.remove(facts, [path])

test_example_has_every_part if object.keys(facts) == {
	"schema", "now", "query", "requester", "user", "holder", "agreement", "state",
}

test_every_ground_has_its_needs if {
object.keys(needs) | {"consent"} == object.keys(data.federation.grounds)}
