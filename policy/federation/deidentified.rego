# METADATA
# title: De-identified
# description: >-
#   Records without what identifies, under a random code whose rule is kept, for research, and for
#   someone who does not know who they are about. The smallest group is counted at release.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.3 (PII (f), (g)), 99.31(b); requirements R02, R33, R34
package homeroom.federation.deidentified

import data.homeroom.federation.matter

determined if {
	code_safe
	matter.current.requester_knows_identity == false
	input.query.named_students == 0
}

code_safe if matter.current.code_method == "none"

# A code may go with records for education research only.
code_safe if {
	matter.current.code_method == "random"
	matter.current.code_rule_disclosed == false
	matter.current.for_education_research == true
}

# METADATA
# custom: {citation: 34 CFR 99.31(b)}
codes contains "deidentification_insufficient" if not determined
