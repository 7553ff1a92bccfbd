package intellivue

type alarm struct{ orphan bool }

func (m *monitor) alarmLists(r pollResult, attributes cursor) {}
