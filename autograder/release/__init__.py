"""The bundle that goes to students: labs, package, data notes and environment, scanned for answers."""
