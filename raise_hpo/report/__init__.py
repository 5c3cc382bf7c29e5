"""What a person sees of a study: live table, plain lines, summary, HTML report. All of it is read from the journal."""
