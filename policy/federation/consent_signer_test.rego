package homeroom.federation.consent_signer_test

import data.homeroom.federation.consent_example_test as example
import data.homeroom.federation.consent_signer

births(path, value) := found if {
	found := consent_signer.births with input as example.with_value(path, value)
}

ends(path, value) := found if {
	found := consent_signer.ends with input as example.with_value(path, value)
}

test_a_parent_signs_for_a_minor_who_is_born if {
	consent_signer.births["0"] == ["2007-09-04", "2025-09-04"] with input as example.facts
}

test_a_student_signs_once_of_age if {
	consent_signer.births["1"] == ["0000-00-00", "2008-01-05"] with input as example.facts
}

test_who_may_sign if {
	allowed := {"parent", "guardian", "acting_as_parent", "eligible_student"}
	every relation in allowed { births("/papers/0/signer_relation", relation)["0"] }
	refused := {"minor_student", "relative_not_acting_as_parent", "else", 1}
	every relation in refused { not "0" in object.keys(births("/papers/0/signer_relation", relation)) }
}

test_a_court_order_ends_the_right if {
	every rights in {"revoked_by_court_order", "unclear", true} {
		object.keys(births("/papers/0/signer_rights", rights)) == {"1"}
	}
}

test_rights_move_with_postsecondary_education if {
	moved := json.patch(example.facts, [
		{"op": "add", "path": "/papers/0/postsecondary", "value": true},
		{"op": "add", "path": "/papers/0/postsecondary_from", "value": "2026-03-01"},
		{"op": "add", "path": "/papers/1/postsecondary", "value": true},
		{"op": "add", "path": "/papers/1/postsecondary_from", "value": "2026-01-05"},
	])
	consent_signer.births["0"] == ["2007-09-04", "2025-09-04"] with input as moved
	consent_signer.ends["0"] == "2026-02-28" with input as moved
	consent_signer.births["1"] == ["0000-00-00", "2026-01-05"] with input as moved
	earlier := json.patch(moved, [{"op": "add", "path": "/papers/0/postsecondary_from", "value": "2025-09-04"}])
	not "0" in object.keys(consent_signer.births) with input as earlier
	later := json.patch(moved, [{"op": "add", "path": "/papers/1/postsecondary_from", "value": "2026-01-06"}])
	consent_signer.births["1"] == ["0000-00-00", "2008-01-05"] with input as later
	consent_signer.ends["1"] == "2026-08-31" with input as later
}

test_end_of_a_consent_is_its_last_day if {
	consent_signer.ends == {"0": "2026-08-31", "1": "2026-08-31"} with input as example.facts
}

test_nobody_signs_without_any_part if {
	parts := {"signer_relation", "signer_rights", "postsecondary", "signed_on", "valid_from"}
	every part in parts {
		path := concat("/", ["/papers/0", part])
		not "0" in object.keys(consent_signer.births) with input as example.without(path)
	}
	not "0" in object.keys(births("/papers/0/postsecondary", true))
	not "0" in object.keys(ends("/papers/0/postsecondary", true))
}

test_a_court_order_ends_the_right_of_a_student_too if {
	object.keys(births("/papers/1/signer_rights", "revoked_by_court_order")) == {"0"}
	object.keys(ends("/papers/0/signer_rights", "revoked_by_court_order")) == {"1"}
}

test_a_day_of_postsecondary_education_counts_only_where_it_is_so if {
	day := example.with_value("/papers/0/postsecondary_from", "2025-09-04")
	consent_signer.births["0"] == ["2007-09-04", "2025-09-04"] with input as day
	unsaid := json.remove(day, ["/papers/0/postsecondary"])
	not "0" in object.keys(consent_signer.births) with input as unsaid
	later := json.patch(unsaid, [{"op": "add", "path": "/papers/0/postsecondary_from", "value": "2026-03-01"}])
	not "0" in object.keys(consent_signer.births) with input as later
}
