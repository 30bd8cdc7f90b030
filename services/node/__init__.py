"""A node holds one organization's records and answers what policy and families permit."""
