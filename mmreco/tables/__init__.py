"""Files and dataframes to Arrow columns, with their types and checks. No noun is known here."""
