"""What the daemon does for users of a portal: accounts, pipelines, launches, their files, the audit trail."""
