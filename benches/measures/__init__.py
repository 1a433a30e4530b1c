"""What is measured of Codemode. Runs in an environment that has the release wheel."""
