"""The control side: drop file -> plan -> Pulumi, and the command line."""
