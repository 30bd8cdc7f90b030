package homeroom.federation.cells_test

import data.homeroom.federation.cells
import data.homeroom.federation.example_test as example

test_the_larger_counts if {
	cells.min_size == 5 with input as example.facts
	cells.min_size == 20 with input as example.with_value("/agreement/min_cell_size", 20)
	cells.min_size == 5 with input as example.with_value("/agreement/min_cell_size", 4)
}

test_what_is_no_number_gives_no_size if {
	not cells.min_size with input as example.with_value("/agreement/min_cell_size", "99")
}

test_without_an_agreement_the_federation_says if {
	cells.min_size == 5 with input as example.without("/agreement")
}
