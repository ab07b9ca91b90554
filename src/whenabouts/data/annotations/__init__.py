"""Published annotations: who did what when, as the data sets tell it."""
