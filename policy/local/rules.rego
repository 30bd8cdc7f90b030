# METADATA
# title: Local rules
# description: >-
#   What data.json cannot say. An organization that copies this folder writes its own rules here: each
#   takes away, and the node refuses a document that tries anything else.
# custom:
#   citation: 34 CFR 99.31(d); requirements R36
package homeroom.local.rules

# Whether this question is answered at all.
open if is_object(input.query)

# Entries {"element": …, "reason": "local_rule_withheld"} beside those of data.json.
withheld := set()

# More that each student's own facts must say: an element to a list of row conditions.
conditions := {}
