# METADATA
# title: Consent
# description: >-
#   The ground of written consent. Whose consents are valid is not asked here: the decision names
#   the elements that need one, and the node joins its records to the grants of this instant.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.30
# custom:
#   citation: 34 CFR 99.30; 34 CFR 300.622(a); 42 USC 1758(b)(6); requirements R01, R12, R45, R52
package homeroom.federation.consent

import data.homeroom.federation.elements

claimed if input.query.basis == "consent"

reason := "permitted_by_consent"

# 99.33(d), and the copy that a parent may ask for under 99.30(c).
obligations := {"inform_redisclosure_limits", "offer_copy_to_parent"}

# Every element, whatever its kind: consent is the only ground.
consent_elements := elements.granted
