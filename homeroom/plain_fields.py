"""The text and bytes fields of the protos that may be written down: no person's value is in them.

Identifiers of organizations, agreements, consents and questions, words of the vocabulary, digests
and public keys. A new field is a decision: it is listed here, or marked `debug_redact` in its
proto. What holds a value of a person, sealed bytes, a token, or whatever somebody may write freely
is marked.
"""

from collections.abc import Mapping

PLAIN_FIELDS: Mapping[str, frozenset[str]] = {
    message: frozenset(fields.split())
    for message, fields in (
        ("common.v1.Account", "checkpoint consistency_paths holder request_digest requester"),
        ("common.v1.AccountRequest", "holder nonce requester"),
        ("common.v1.AccountedQuestion", "query_digest"),
        ("common.v1.CertificateReceipt", "certificate_digest holder log_entry_digest recipient"),
        ("common.v1.CertifiedAnswer", "consent_id kept_because log_entry_digest query_digest"),
        ("common.v1.Cohort", "school_ids"),
        (
            "common.v1.DestructionCertificate",
            "agreement_id certificate_id destroy_date holder method recipient role",
        ),
        ("common.v1.LoggedEntry", "inclusion_path kind leaf_hash"),
        ("common.v1.Period", "end_date start_date"),
        (
            "common.v1.Query",
            "agreement_id basis dataset elements holders matter_id onward_to purpose "
            "query_id requester table user_token_digest",
        ),
        (
            "common.v1.Receipt",
            "agreement_head consent_log_root decision_digest frames_digest holder "
            "log_entry_digest obligations query_digest reason_codes released_elements "
            "requester",
        ),
        ("common.v1.Signature", "key_id organization_id signature"),
        ("common.v1.WithheldElement", "element reason_code"),
        ("consent.v1.Authentication", "evidence_digest level method"),
        ("consent.v1.Consent", "consent_id holder recorder"),
        ("consent.v1.ConsentBatch", "audience merkle_root recorder"),
        (
            "consent.v1.ConsentBody",
            "agreement_id classes consent_id elements end_date form form_text_digest "
            "form_version holder language purposes recorder scan_digest sign_date "
            "specific_elements start_date",
        ),
        ("consent.v1.ConsentEvidence", "path"),
        ("consent.v1.ConsentHeartbeat", "federation log_root organization_id"),
        ("consent.v1.ConsentLogHead", "federation merkle_root"),
        ("consent.v1.GetConsentLogResponse", "consistency_path"),
        ("consent.v1.GetConsentProofRequest", "consent_id"),
        ("consent.v1.ListConsentsRequest", "page_token"),
        ("consent.v1.ListConsentsResponse", "next_page_token"),
        ("consent.v1.ListReportsRequest", "page_token"),
        ("consent.v1.ListReportsResponse", "next_page_token"),
        ("consent.v1.LogExtension", "roots_before"),
        ("consent.v1.LoggedChange", "path"),
        ("consent.v1.NarrowConsentRequest", "request_id"),
        ("consent.v1.Narrowing", "consent_id organization_id"),
        ("consent.v1.NarrowingBody", "classes consent_id elements organization_id recipients"),
        ("consent.v1.Recipient", "organization_id"),
        ("consent.v1.RecordConsentsRequest", "request_id"),
        ("consent.v1.Report", "holder recorder"),
        ("consent.v1.ReportVerdictsRequest", "request_id"),
        ("consent.v1.Retraction", "query_digest"),
        ("consent.v1.Revocation", "consent_id organization_id"),
        ("consent.v1.RevokeConsentRequest", "request_id"),
        ("consent.v1.RotateSubjectRefsRequest", "request_id"),
        ("consent.v1.Rotation", "holder organization_id"),
        ("consent.v1.RotationBody", "holder organization_id"),
        ("consent.v1.SealedBody", "organization_id"),
        ("consent.v1.SealedNotice", "organization_id"),
        ("consent.v1.Signer", "relation"),
        ("consent.v1.Verdict", "codes consent_id last_date"),
        ("consent.v1.VerdictReport", "holder recorder"),
        ("consent.v1.WithdrawalDetails", "channel withdrawn_by"),
        ("gateway.v1.CertifyDestructionRequest", "holder request_id"),
        ("gateway.v1.Plan", "holders"),
        ("gateway.v1.SourceFrame", "holder"),
        ("gateway.v1.SourceOutcome", "error_reason holder"),
        ("gateway.v1.SourcePosition", "frames_digest holder"),
        ("node.v1.AddMatterRequest", "request_id"),
        ("node.v1.AnswerEnd", "frames_digest"),
        ("node.v1.Approval", "agreement_id approval_id decided_by element purpose requester"),
        ("node.v1.ApprovalStatement", "agreement_id approval_id element holder purpose requester"),
        ("node.v1.ConsentProblem", "reason_code"),
        ("node.v1.CertifiedDestruction", "consent_id destroy_date kept_because method"),
        ("node.v1.CertifyDestructionRequest", "recipient request_id"),
        ("node.v1.DatasetCount", "dataset"),
        ("node.v1.DecideApprovalRequest", "approval_id request_id"),
        ("node.v1.DecideReviewRequest", "consent_id request_id"),
        ("node.v1.Disclosure", "dataset elements purpose recipient user_id"),
        (
            "node.v1.DisclosureEntry",
            "agreement_id authorities basis consent_ids dataset elements event "
            "federation_revision first_day last_day local_revision matter_id obligations "
            "purpose query_digest reasons regimes released released_by releaser_key "
            "releaser_role requester role user_id",
        ),
        ("node.v1.DisclosureEntry.WithheldEntry", "key value"),
        ("node.v1.EndMatterRequest", "matter_id request_id"),
        ("node.v1.GetCheckpointResponse", "consistency_path note"),
        ("node.v1.GetMatterRequest", "matter_id"),
        ("node.v1.GetNodeStatusResponse", "log_contradiction organization_id policy_engine"),
        ("node.v1.IntakeRun", "format source"),
        ("node.v1.ListApprovalsRequest", "page_token"),
        ("node.v1.ListApprovalsResponse", "next_page_token"),
        ("node.v1.ListDisclosuresRequest", "agreement_id element page_token requester user_id"),
        ("node.v1.ListDisclosuresResponse", "next_page_token"),
        ("node.v1.ListMattersRequest", "page_token requester"),
        ("node.v1.ListMattersResponse", "next_page_token"),
        ("node.v1.ListReviewsRequest", "page_token"),
        ("node.v1.ListReviewsResponse", "next_page_token"),
        ("node.v1.Matter", "entered_by evidence_digest kind matter_id requester"),
        ("node.v1.OnwardParty", "organization_id"),
        ("node.v1.NoteCertifiedRequest", "request_id"),
        (
            "node.v1.OutstandingDestruction",
            "agreement_id certificate_date due_date first_given_date kept_because recipient rule",
        ),
        ("node.v1.OutsideDelegation", "by elements valid_to"),
        ("node.v1.OutsidePerson", "role training_valid_to"),
        (
            "node.v1.OutsideRequest",
            "agreement_id basis dataset elements holder matter_id onward_to purpose "
            "request_id requester requester_kind school_ids table user_token_digest",
        ),
        ("node.v1.PartnerContradiction", "kind known_note organization_id refused_note"),
        ("node.v1.PolicyStatus", "problem revision"),
        ("node.v1.ResumeAnswerRequest", "frames_digest"),
        ("node.v1.Review", "consent_id lane"),
        ("node.v1.SchoolAttendance", "attendance_kind last_reported_date school_id"),
        ("node.v1.TableTally", "table"),
        ("node.v1.UndoLinkRequest", "consent_id request_id"),
        ("node.v1.UndoLinkResponse", "consent_ids recipients"),
        ("registry.v1.Agreement", "agreement_id"),
        ("registry.v1.AgreementHead", "agreement_id statement_digest"),
        ("registry.v1.AgreementStatement", "agreement_id organization_id previous_digest"),
        ("registry.v1.ClassMembership", "from_date name to_date"),
        ("registry.v1.CounterProposal", "document_digest rendering_digest"),
        ("registry.v1.DocumentSignature", "document_digest rendering_digest"),
        ("registry.v1.Heartbeat", "federation"),
        ("registry.v1.JoinedSchools", "holder school_ids"),
        (
            "registry.v1.Joining",
            "document_digest kind purposes rendering_digest sealing_key_id signing_key_id",
        ),
        ("registry.v1.JoiningCountersignature", "joining_digest"),
        ("registry.v1.ListAgreementsRequest", "page_token"),
        ("registry.v1.ListAgreementsResponse", "next_page_token"),
        ("registry.v1.ListCheckpointsRequest", "organization_id"),
        ("registry.v1.ListContradictionsRequest", "organization_id"),
        ("registry.v1.ListOrganizationsRequest", "page_token"),
        ("registry.v1.ListOrganizationsResponse", "next_page_token"),
        ("registry.v1.LogBeginning", "federation lost_root organization_id reason root"),
        ("registry.v1.LogContradiction", "known_note refused_note"),
        ("registry.v1.MarkKeyCompromisedRequest", "key_id organization_id request_id"),
        ("registry.v1.Organization", "debarred_until organization_id"),
        (
            "registry.v1.OrganizationRecord",
            "checkpoint_key datasets display_name kind node_address organization_id "
            "recovery_key sealing_key signing_key user_issuer user_keys",
        ),
        ("registry.v1.Proposal", "document_digest rendering_digest"),
        ("registry.v1.RegisterOrganizationRequest", "request_id"),
        ("registry.v1.SetClassesRequest", "organization_id request_id"),
        ("registry.v1.SetStandingRequest", "debarred_until organization_id request_id"),
        ("registry.v1.Snapshot", "federation"),
        ("registry.v1.SubmitAgreementStatementRequest", "request_id"),
        ("registry.v1.SubmitCheckpointRequest", "consistency_path note request_id"),
        ("registry.v1.SubmitCosignatureRequest", "line organization_id request_id"),
        ("registry.v1.Suspension", "reason"),
        ("registry.v1.Withdrawal", "joining_digest"),
        ("registry.v1.WitnessedCheckpoint", "consistency_path note"),
    )
}
"""By message, without `homeroom.api.`."""
