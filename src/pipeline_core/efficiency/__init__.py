"""What adaptation costs beside search."""
