# METADATA
# title: Ground
# description: >-
#   The one ground that the question claims: what it needs and what goes with it. No other ground is
#   looked for. What its matter must say is in the package of that ground.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.30, 99.31; requirements R01
package homeroom.federation.ground

import data.homeroom.federation.audit
import data.homeroom.federation.child_welfare
import data.homeroom.federation.deidentified
import data.homeroom.federation.directory
import data.homeroom.federation.emergency
import data.homeroom.federation.family_access
import data.homeroom.federation.order
import data.homeroom.federation.partner_record
import data.homeroom.federation.query
import data.homeroom.federation.school_official
import data.homeroom.federation.studies
import data.homeroom.federation.transfer

terms := data.federation.grounds[input.query.basis]

known if is_string(terms.reason)

default refused_as := "purpose_not_permitted_by_basis"

# Where no ground is claimed, only consent could permit, and none is relied on.
refused_as := "consent_missing" if input.query.basis == "none"

# What the ground's own conditions refuse. One line for each, so that only the one claimed is read.
codes := audit.codes if input.query.basis == "audit_evaluation"

codes := child_welfare.codes if input.query.basis == "child_welfare"

codes := deidentified.codes if input.query.basis == "deidentified"

codes := directory.codes if input.query.basis == "directory_information"

codes := emergency.codes if input.query.basis == "emergency"

codes := family_access.codes if input.query.basis == "parent_or_student_access"

codes := order.codes if input.query.basis == "judicial_order"

codes := partner_record.codes if input.query.basis == "partner_record"

codes := school_official.codes if input.query.basis == "school_official"

codes := studies.codes if input.query.basis == "studies"

codes := transfer.codes if input.query.basis == "transfer"

# The elements that the ground serves at all.
served := query.considered if terms.elements == "any"

served := directory.designated if input.query.basis == "directory_information"

served := emergency.necessary if input.query.basis == "emergency"

served := family_access.served if input.query.basis == "parent_or_student_access"

served := partner_record.served if input.query.basis == "partner_record"

served := school_official.served if input.query.basis == "school_official"

# What the ground withholds of what is asked, each with its reason.
withheld := directory.withheld if input.query.basis == "directory_information"

withheld := emergency.withheld if input.query.basis == "emergency"

withheld := family_access.withheld if input.query.basis == "parent_or_student_access"

withheld := partner_record.withheld if input.query.basis == "partner_record"

withheld := school_official.withheld if input.query.basis == "school_official"
