package protocol

func internUnit(b []byte) Unit {
	return Unit(b)
}
