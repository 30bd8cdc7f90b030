# METADATA
# title: Consent check
# description: >-
#   What a node asks about consents before it makes grants of them, a batch at a time. What forms
#   say alike is said once: `papers` are form, dates and signer, `scopes` what is released to whom.
#   No student is in it: a paper counts for the births between two days.
# custom:
#   citation: 34 CFR 99.3, 99.4, 99.5, 99.30; requirements R07, R12, R13, R52 and section 2.2
package homeroom.federation.consent_check

import data.homeroom.federation.consent_paper
import data.homeroom.federation.consent_scope
import data.homeroom.federation.consent_signer

# METADATA
# title: Consent check document
# description: What is wrong with each paper and scope; when a paper counts, and for which births.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.5(a), 99.30(b), (d)
document := {
	"papers": {id: found | some id, found in papers},
	"scopes": {id: {"codes": sort(codes)} | some id, codes in scope_codes},
	"all_education_records": sort(consent_scope.all_education_records),
	"shareable": sort(consent_scope.shareable),
} if {
	input.schema == 1
}

papers[id] := {
	"codes": [],
	"from": consent_paper.starts[id],
	"to": consent_signer.ends[id],
	"born_after": consent_signer.births[id][0],
	"born_by": consent_signer.births[id][1],
} if {
	some id, codes in paper_codes
	count(codes) == 0
}

papers[id] := {"codes": sort(codes)} if {
	some id, codes in paper_codes
	count(codes) > 0
}

paper_codes[id] := {code | some code, kept in paper_needs; not id in kept} if {
	some id, _ in input.papers
}

scope_codes[id] := {code | some code, kept in scope_needs; not id in kept} if {
	some id, _ in input.scopes
}

paper_needs := {
	"consent_form_invalid": consent_paper.written,
	"consent_not_in_effect": consent_paper.in_time,
	"consent_signer_not_entitled": object.keys(consent_signer.births),
}

scope_needs := {
	"consent_element_out_of_scope": consent_scope.element_agreed,
	"consent_purpose_mismatch": consent_scope.purpose_agreed,
	"consent_recipient_mismatch": consent_scope.recipient_agreed,
}
