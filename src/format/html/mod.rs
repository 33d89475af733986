//! HTML mail: cleaning, text to HTML, HTML to text, quoting.
