"""What is true of every deployment behind litellm."""

from __future__ import annotations

from orchestrator.spec.provider import Profile

__all__ = ["KIND", "PROFILE"]

KIND = "litellm"

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat", "embed", "rerank"}),
    base_url="",  # litellm knows each vendor's address; a `base_url` in the file replaces it
    key_required=False,  # clouds take theirs from the machine's role or profile
    otel_name=KIND,
    settings={
        "allowed_openai_params": "settings to send although litellm believes that the model cannot take them",
        "api_version": "version of the vendor's API (Azure)",
        "aws_bedrock_runtime_endpoint": "address of Bedrock, when it is not the region's own",
        "aws_profile_name": "profile of the AWS credentials file",
        "aws_region_name": "region of Bedrock or SageMaker",
        "aws_role_name": "role to assume before calling AWS",
        "aws_session_name": "name of the session of that role",
        "custom_llm_provider": "vendor, when the model string does not begin with it",
        "organization": "organisation of the account (OpenAI)",
        "project_id": "project (watsonx)",
        "region_name": "region (watsonx)",
        "space_id": "deployment space (watsonx)",
        "vertex_credentials": "path of the service account file (Vertex AI)",
        "vertex_location": "region (Vertex AI)",
        "vertex_project": "project (Vertex AI)",
    },
    media=frozenset({"image/*", "audio/*", "application/pdf", "text/plain"}),
)
