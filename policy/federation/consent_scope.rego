# METADATA
# title: Consent scope
# description: >-
#   Facts about what a consent releases, why and to whom, compared with the agreements under which
#   it counts. A release of all education records in general leaves out what the law wants named.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.30
#   - https://www.ecfr.gov/current/title-7/section-245.6
# custom:
#   citation: 34 CFR 99.30(b); 42 USC 1758(b)(6); 20 USC 1232h(b); requirements R12, R52
package homeroom.federation.consent_scope

shareable := object.keys(data.federation.elements)

all_education_records := {
element |
	some element, category in data.federation.elements
	every other in data.federation.no_education_records { category != other }
	every single in data.federation.named_singly { element != single }
}

released[id] := {element | some element in scope.elements} if {
	some id, scope in input.scopes
	scope.all_education_records == false
}

released[id] := all_education_records | {element | some element in scope.elements} if {
	some id, scope in input.scopes
	scope.all_education_records == true
}

element_agreed contains id if {
	some id, elements in released
	some agreement in input.scopes[id].agreements
	some element in input.agreements[agreement].elements
	element in (elements & shareable)
}

purpose_agreed contains id if {
	some id, scope in input.scopes
	some agreement in scope.agreements
	some purpose in scope.purposes
	purpose in input.agreements[agreement].purposes
}

recipient_agreed contains id if {
	some id, scope in input.scopes
	some agreement in scope.agreements
	some recipient in scope.recipients
	recipient in input.agreements[agreement].recipients
}
