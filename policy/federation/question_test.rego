package homeroom.federation.question_test

import data.homeroom.federation.example_test as example
import data.homeroom.federation.question

asked := json.remove(example.facts, ["/holder", "/state", "/agreement/schools"])

test_allowed_without_facts_about_a_holder if {
	question.document == {"allow": true, "reasons": ["permitted_by_consent"]} with input as asked
}

test_refused if {
	suspended := json.patch(asked, [{"op": "add", "path": "/requester/standing", "value": "suspended"}])
	question.document == {"allow": false, "reasons": ["org_suspended"]} with input as suspended
}

test_another_schema_has_no_document if {
	not question.document with input as json.remove(asked, ["/schema"])
	not question.document with input as {}
}
