# METADATA
# title: Elements
# description: >-
#   Derives the elements that may be shared: asked, shareable at all, and left by every check. An
#   element is withheld because it is not permitted, never the reverse.
# related_resources:
#   - https://www.ecfr.gov/current/title-34/section-99.3
# custom:
#   citation: 34 CFR 99.3, 99.8; requirements R04, R05, R57
package homeroom.federation.elements

import data.homeroom.federation.agreed
import data.homeroom.federation.delegation
import data.homeroom.federation.derived
import data.homeroom.federation.ground
import data.homeroom.federation.protected
import data.homeroom.federation.query
import data.homeroom.federation.state

# What the question alone leaves of all that it reaches.
left := ((query.shareable & agreed.arguable) & delegation.covered) & protected.open

# What the holder's facts leave of that.
served := ((left & agreed.elements) & ground.served) & state.confirmed_elements

permitted := left & query.asked

granted := ((served & query.asked) & derived.supported) & held

some_permitted if count(permitted) > 0

some_granted if count(granted) > 0

some_held if count(permitted & held) > 0

# What the dataset has at all.
held := {element | some element in input.holder.dataset_elements}
