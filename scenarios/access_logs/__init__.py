"""From a web server's access log to a workload: pure but for reading the files.

    files -> lines (reading) -> entries (combined, json_lines) -> operations (routes)
          -> sessions, transitions, pauses (visits) -> workload and summary (derivation)

Millions of lines in bounded memory; a line that cannot be used is counted by its reason.
"""
