module receiving

go 1.26.0
