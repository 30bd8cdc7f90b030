# METADATA
# title: Protected elements
# description: >-
#   What other laws keep back although a ground of FERPA would give it, or what only some may see.
#   An element is open if each of its traits is open under this ground.
# custom:
#   citation: 42 USC 1758(b)(6); 34 CFR 99.32(c), 99.31(b); requirements R02, R52
package homeroom.federation.protected

import data.homeroom.federation.ground
import data.homeroom.federation.query

open := query.considered - closed

closed := {element |
	some trait in query.occurring
	not open_traits[trait]
	some element
	query.traits[[element, trait]]
}

# These are open under every ground: what they need is a condition on each student, or the ground says it.
open_traits contains some_trait if some some_trait in [
	"derived", "joint", "living_situation", "locating", "part_b", "protected_survey",
]

# METADATA
# custom: {citation: 42 USC 1758(b)(6)}
open_traits contains "meal_eligibility" if input.query.basis in {
	"aggregate", "consent", "deidentified", "parent_or_student_access", "partner_record",
}

# METADATA
# custom: {citation: 34 CFR 99.32(c)}
open_traits contains "record_of_disclosures" if input.query.basis in {
	"parent_or_student_access", "school_official",
}

# METADATA
# custom: {citation: 34 CFR 99.31(b)(1)}
open_traits contains "identifying" if ground.terms.level == "student"

codes := {
	"identifying": "deidentification_insufficient",
	"meal_eligibility": "protected_meal_eligibility",
	"record_of_disclosures": "record_inspection_not_permitted",
}
