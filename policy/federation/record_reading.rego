# METADATA
# title: Reading of the disclosure record
# description: >-
#   Who may read the record that a holder keeps of its disclosures: the family by way of the office
#   that keeps it, those who keep it, and whoever audits how it is kept. Nobody else, and no partner.
# custom:
#   citation: 34 CFR 99.32(c), 99.32(d)(5), 99.5(a), 99.4, 99.30(c); 603 CMR 23.02, 23.07(1); section 3
package homeroom.federation.record_reading

# METADATA
# title: Record reading document
# description: What a reader may have; record for entries, secret for those an order hides, copy for what left.
# entrypoint: true
# custom:
#   citation: 34 CFR 99.32(c)
document := {"granted": sort(granted)} if input.schema == 1

granted contains "record" if keeps_for_itself

granted contains "secret" if keeps_for_itself

granted contains "copy" if {
	keeps_for_itself
	about_one
}

granted contains "record" if shown_to_family

granted contains "copy" if shown_to_family

granted contains "record" if {
	input.reader.view == "record_audit"
	input.reader.role in data.federation.record_readers.auditors
}

keeps_for_itself if {
	input.reader.view == "custodian"
	keeper
}

shown_to_family if {
	input.reader.view == "family"
	keeper
	about_one
	input.family.identified == true
	entitled
}

keeper if input.reader.role in data.federation.record_readers.keepers

about_one if input.asked.about == "student"

# The parents' rights last until the student is of age or in postsecondary education.
entitled if {
	input.family.relation == "parent"
	input.family.rights_limited == false
	parents_hold_the_rights
}

entitled if {
	input.family.relation == "eligible_student"
	grown
}

# Massachusetts gives the rights to the student too, from 14 on.
entitled if {
	input.family.relation == "minor_student"
	input.holder.jurisdiction == "MA"
	age >= data.federation.record_readers.minor_from_age
}

parents_hold_the_rights if {
	age < 18
	input.family.postsecondary == false
}

parents_hold_the_rights if input.family.dependent_for_tax == true

grown if age >= 18

grown if input.family.postsecondary == true

age := input.family.age if is_number(input.family.age)
