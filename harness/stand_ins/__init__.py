"""Systems outside the target that it depends on, played by processes of ours."""
