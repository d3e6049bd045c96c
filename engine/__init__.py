"""The resident part: intake, the door, the tick, the pager. Never imports Prefect."""
