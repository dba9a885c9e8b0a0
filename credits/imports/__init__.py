"""The history of grants as files and as proof: bringing it in, taking it out, and showing that it adds up."""
