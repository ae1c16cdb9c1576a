"""The simulator held against recorded exchanges."""
