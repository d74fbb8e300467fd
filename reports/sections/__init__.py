"""What each section of the page says: read folder in, rows and sentences out, no HTML."""
