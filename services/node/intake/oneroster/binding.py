"""What the OneRoster CSV binding says of files and columns, as far as records need it.

The binding of 1EdTech, version 1.2.1, names all; here are those we read.
"""

KNOWN_FILES = {
    "1.1": frozenset(
        {
            *("academicSessions", "categories", "classes", "classResources", "courses"),
            *("courseResources", "demographics", "enrollments", "lineItems", "orgs"),
            *("resources", "results", "users"),
        }
    ),
    "1.2": frozenset(
        {
            *("academicSessions", "categories", "classes", "classResources", "courses"),
            *("courseResources", "demographics", "enrollments", "lineItems", "orgs"),
            *("resources", "results", "users", "roles", "userProfiles", "userResources"),
            *("lineItemLearningObjectiveIds", "lineItemScoreScales", "scoreScales"),
            *("resultLearningObjectiveIds", "resultScoreScales"),
        }
    ),
}

REQUIRED = {
    "academicSessions": ("sourcedId", "title", "startDate", "endDate"),
    "orgs": ("sourcedId", "name", "type"),
    "courses": ("sourcedId", "title"),
    "classes": ("sourcedId", "title", "courseSourcedId", "schoolSourcedId"),
    "users": ("sourcedId", "givenName", "familyName"),
    "roles": ("sourcedId", "userSourcedId", "role", "orgSourcedId"),
    "enrollments": ("sourcedId", "classSourcedId", "userSourcedId", "role"),
    "demographics": ("sourcedId",),
    "lineItems": ("sourcedId", "title", "classSourcedId"),
    "results": ("sourcedId", "lineItemSourcedId", "studentSourcedId"),
}
"""The files that are read, and the columns without which they cannot be."""

KEPT = {
    "orgs": ("name", "type", "identifier", "parentSourcedId"),
    "academicSessions": ("title", "type", "startDate", "endDate", "schoolYear", "parentSourcedId"),
    "courses": ("title", "courseCode"),
    "classes": ("title", "classCode", "courseSourcedId", "schoolSourcedId", "termSourcedIds"),
    "users": (
        *("role", "orgSourcedIds", "primaryOrgSourcedId", "userIds", "identifier"),
        *("givenName", "middleName", "familyName", "grades", "agentSourcedIds"),
    ),
    "roles": ("userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId"),
    "demographics": (
        *("birthDate", "sex", "americanIndianOrAlaskaNative", "asian"),
        *("blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white"),
        *("demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity"),
    ),
    "enrollments": (
        *("classSourcedId", "schoolSourcedId", "userSourcedId", "role", "beginDate", "endDate"),
    ),
    "lineItems": ("title", "classSourcedId"),
    "results": ("lineItemSourcedId", "studentSourcedId", "score", "scoreStatus"),
}
"""The columns that are kept of each file; nothing else of a person is."""

_ALL_COLUMNS = frozenset(
    {
        *("sourcedId", "status", "dateLastModified", "schoolYearSourcedId", "grades", "subjects"),
        *("orgSourcedId", "subjectCodes", "classType", "location", "periods", "enabledUser"),
        *("username", "email", "sms", "phone", "password", "userMasterIdentifier", "pronouns"),
        *("preferredGivenName", "preferredMiddleName", "preferredFamilyName", "primary"),
        *("userProfileSourcedId", "countryOfBirthCode", "stateOfBirthAbbreviation"),
        *("cityOfBirth", "publicSchoolResidenceStatus", "categorySourcedId", "description"),
        *("assignDate", "dueDate", "gradingPeriodSourcedId", "resultValueMin", "resultValueMax"),
        *("schoolSourcedId", "academicSessionSourcedId", "scoreDate", "comment", "textScore"),
        *("classSourcedId", "inProgress", "incomplete", "late", "missing", "scoreScaleSourcedId"),
    }
)
COLUMNS = {entity: _ALL_COLUMNS.union(kept) for entity, kept in KEPT.items()}
"""Every column that the binding has; others are told, unless they are marked as extensions."""

ALIASES = {
    "dataLastModified": "dateLastModified",
    "prefferedGivenName": "preferredGivenName",
    "prefferedMiddleName": "preferredMiddleName",
    "prefferedFamilyName": "preferredFamilyName",
}
"""Columns that real systems misspell."""

TABLES_OF: dict[str, tuple[str, ...]] = {
    "school": ("orgs",),
    "session": ("academicSessions", "classes", "courses"),
    "student": ("users", "demographics"),
    "guardian": ("users",),
    "enrollment": ("roles",),
    "section_enrollment": ("enrollments",),
    "course_grade": ("results", "lineItems"),
}
"""The tables whose rows follow from each entity."""
