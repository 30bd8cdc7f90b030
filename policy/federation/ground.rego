# METADATA
# title: Ground
# description: >-
#   The one ground that the question claims. Each ground is a package of its own and has one line
#   in each rule here; a claim that no line knows has no reason, and so no answer.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.31
# custom:
#   citation: 34 CFR 99.30, 99.31; requirements R01
package homeroom.federation.ground

import data.homeroom.federation.consent

known if is_string(reason)

reason := consent.reason if consent.claimed

obligations := consent.obligations if consent.claimed

consent_elements := consent.consent_elements if consent.claimed
