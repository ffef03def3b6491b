"""The documents of CARMIN: VIP's keys, always all of them, with those of the specification beside."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Error(BaseModel):
    """Every answer that is not a success; these two keys, in this order, and no other."""

    errorCode: int
    errorMessage: str


class ErrorCode(Error):
    """A code that may occur."""


class PlatformProperties(BaseModel):
    """The properties of the platform."""

    platformName: str
    APIErrorCodesAndMessages: list[ErrorCode]
    supportedTransferProtocols: list[str]
    supportedModules: list[str]
    defaultLimitListExecutions: int
    email: str
    platformDescription: str
    minAuthorizedExecutionTimeout: int
    maxAuthorizedExecutionTimeout: int
    unsupportedMethods: list[str]
    maxSizeDirectTransfer: int
    defaultStudy: str | None
    supportedAPIVersion: str
    oidcLoginProviders: list[str]


class NameAndPassword(BaseModel):
    """A name and a password."""

    username: str = Field(max_length=255)
    password: str = Field(max_length=1024)


class AuthenticationHeader(BaseModel):
    """The header that carries the key."""

    httpHeader: str
    httpHeaderValue: str


class Parameter(BaseModel):
    """An input of a pipeline."""

    name: str
    type: Literal["File", "String", "Boolean", "Int64", "Double", "List"]
    isOptional: bool
    isReturnedValue: bool
    defaultValue: Any
    description: str


class PipelineModel(BaseModel):
    """A pipeline; without its parameters in lists."""

    identifier: str
    name: str
    description: str | None
    version: str
    parameters: list[Parameter]
    canExecute: bool
    properties: dict[str, str]


class JobModel(BaseModel):
    """The state of one job."""

    status: str
    exitCode: int | None
    exitMessage: str | None


class ExecutionModel(BaseModel):
    """An execution, as it is told."""

    identifier: str
    name: str
    pipelineIdentifier: str
    timeout: int
    status: str
    inputValues: dict[str, Any] | None
    returnedFiles: dict[str, list[str]] | None
    studyIdentifier: str | None
    errorCode: int | None
    startDate: int
    endDate: int | None
    resultsLocation: str | None
    jobs: dict[str, JobModel] | None
    jobsSummary: dict[str, int] | None = None


class NewExecution(BaseModel):
    """A request to run a pipeline; further fields are ignored, as VIP ignores them."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=1000)
    pipelineIdentifier: str = Field(default="", max_length=1000)
    descriptor: dict[str, Any] | None = None
    inputValues: dict[str, Any] = Field(default_factory=dict)
    resultsLocation: str | None = Field(default=None, max_length=10_000)
    studyIdentifier: str | None = Field(default=None, max_length=255)
    submissionKey: str | None = Field(default=None, pattern=r"^[0-9A-Za-z_.-]{1,100}$")
    """Ours: sent twice with the same key, it is done once."""
    timeout: int | None = None


class ChangedExecution(BaseModel):
    """The change that an execution may have: its name."""

    model_config = ConfigDict(extra="ignore")

    name: str | None = Field(default=None, max_length=1000)
    timeout: int | None = None


class Deletion(BaseModel):
    """The way in which an execution is deleted."""

    deleteFiles: bool


class PathProperties(BaseModel):
    """The properties of a path."""

    path: str
    platformPath: str
    lastModificationDate: int
    isDirectory: bool
    exists: bool
    size: int
    executionId: str | None
    mimeType: str | None


class ResultProperties(PathProperties):
    """A result of an execution."""

    name: str
    """Below all its results, wherever each of them lies; not of CARMIN."""


class Existence(BaseModel):
    """Whether something lies at a path."""

    exists: bool


class PathMd5(BaseModel):
    """The MD5 of a file."""

    md5: str


class UploadData(BaseModel):
    """A file or an archive inside of JSON."""

    model_config = ConfigDict(extra="ignore")

    base64Content: str
    type: Literal["File", "Archive"] = "File"
    md5: str | None = None


class ExternalPlatform(BaseModel):
    """A storage from which files can be taken as `identifier:reference`."""

    identifier: str
    description: str
    url: str
    uploadUrl: str | None
    keycloakClientId: str | None
    refreshTokenUrl: str | None


class ExternalKey(BaseModel):
    """A key for an external platform; it is never told again."""

    storageIdentifier: str = Field(max_length=255)
    apiKey: str = Field(max_length=4096)


class ExternalKeyModel(BaseModel):
    """The record of a key for a storage, without the key."""

    storageIdentifier: str
    userEmail: str
    apiKey: str | None
