# METADATA
# title: Rules of a charter school
# description: >-
#   Beside data.json: no question about everyone by name, since the school is small; whoever wants to
#   know names the students, or asks for counts.
# custom:
#   citation: 34 CFR 99.31(d); requirements R36, R57
package homeroom.local.rules

open if input.query.named_students > 0

open if input.query.level == "aggregate"

withheld := set()

conditions := {}
