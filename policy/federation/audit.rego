# METADATA
# title: Audit or evaluation
# description: >-
#   The audit or evaluation of an education program that is supported by public money. A party that
#   evaluates its own program does not come under it.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.35
# custom:
#   citation: 34 CFR 99.31(a)(3), 99.35; requirements R22 to R24
package homeroom.federation.audit

import data.homeroom.federation.matter

of_a_supported_program if {
	matter.current.subject_is_education_program == true
	matter.current.publicly_supported == true
}

# METADATA
# custom: {citation: 34 CFR 99.35(a)(1)}
codes contains "purpose_not_permitted_by_basis" if not of_a_supported_program
