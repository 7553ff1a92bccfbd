package protocol

var breathTerms = []Term{
	breathing(RespirationRate, "MDC_RESP_RATE", "RR", "respiration rate", paceSecond),
	breathing(151578, "MDC_TTHOR_RESP_RATE", "RR imp", "respiration rate from thoracic impedance", paceSecond),
	breathing(151594, "MDC_CO2_RESP_RATE", "RR CO2", "respiration rate from capnography", paceSlow),
	breathing(151570, "MDC_AWAY_RESP_RATE", "RR airway", "respiration rate at the airway", paceSlow),
	breathing(151658, "MDC_PULS_OXIM_PLETH_RESP_RATE", "RR pleth", "respiration rate from the pleth", paceSlow),
	breathing(151586, "MDC_VENT_RESP_RATE", "RR vent", "respiration rate of the ventilator", paceSlow),
	breathing(152490, "MDC_VENT_RESP_BTSD_PSAZC_RATE", "RR total", "respiration rate, all breath types", paceSlow),
	breathing(152498, "MDC_VENT_RESP_BTSD_P_RATE", "RR spont", "respiration rate, unassisted spontaneous breaths", paceSlow),
	breathing(152538, "MDC_VENT_RESP_BTSD_PS_RATE", "RR spn+sup", "respiration rate, spontaneous and supported breaths", paceSlow),
	numeric(151728, "MDC_AWAY_CO2_ET", "etCO2", "end-tidal CO2", SignRespirationRate, "mm[Hg]", 0, 0, 150, paceSlow, "yellow"),
	numeric(151708, "MDC_CONC_AWAY_CO2_ET", "etCO2 conc", "end-tidal CO2, as a concentration", SignRespirationRate, "mm[Hg]", 0, 0, 150, paceSlow, "yellow"),
	numeric(151712, "MDC_CONC_AWAY_CO2_EXP", "expCO2", "expired CO2, which some monitors tell as end-tidal", SignRespirationRate, "mm[Hg]", 0, 0, 150, paceSlow, "yellow"),
	numeric(151716, "MDC_CONC_AWAY_CO2_INSP", "FiCO2", "inspired CO2", SignRespirationRate, "mm[Hg]", 0, 0, 150, paceSlow, "yellow"),
	numeric(151738, "MDC_AWAY_CO2_INSP_MIN", "imCO2", "least inspired CO2", SignRespirationRate, "mm[Hg]", 0, 0, 150, paceSlow, "yellow"),
	numeric(151756, "MDC_CO2_TCUT", "tcpCO2", "CO2 partial pressure through the skin", SignRespirationRate, "mm[Hg]", 0, 0, 200, paceSlow, "yellow"),
	numeric(151856, "MDC_TIME_PD_APNEA", "Apnoea", "duration of the apnoea", SignRespirationRate, "s", 0, 0, 600, paceSlow, "yellow"),
	numeric(private(0xF170), "MONITORME_RESPIRATION_AMPLITUDE", "Resp ampl", "depth of breathing in the device's own scale", SignRespirationRate, "1", 0, 0, 0, paceSlow, "yellow"),
}

func breathing(c Code, refID, label, name string, p pace) Term {
	return numeric(c, refID, label, name, SignRespirationRate, "/min", 0, 0, 200, p, "yellow")
}

// ventilator is a term of a ventilator's numbers, which belong to no sign.
func ventilator(c Code, refID, label, name string, u Unit, places int, low, high float64) Term {
	return numeric(c, refID, label, name, "", u, places, low, high, paceSlow, "white")
}

// airway is a pressure in the airway; ventilators count in cmH2O.
func airway(c Code, refID, label, name string) Term {
	return ventilator(c, refID, label, name, "cm[H2O]", 0, -60, 150)
}

var ventilationTerms = []Term{
	ventilator(151980, "MDC_VENT_VOL_TIDAL", "VT", "tidal volume", "mL", 0, 0, 4000),
	ventilator(151868, "MDC_VOL_AWAY_TIDAL", "VT airway", "tidal volume at the airway", "mL", 0, 0, 4000),
	ventilator(152660, "MDC_VOL_AWAY_TIDAL_INSP", "VTi", "tidal volume, inspired", "mL", 0, 0, 4000),
	ventilator(152664, "MDC_VOL_AWAY_TIDAL_EXP", "VTe", "tidal volume, expired", "mL", 0, 0, 4000),
	ventilator(152676, "MDC_VOL_AWAY_TIDAL_EXP_BTSD_PS", "VTe spn", "tidal volume of spontaneous breaths, expired", "mL", 0, 0, 4000),
	ventilator(151996, "MDC_VENT_VOL_MINUTE", "MV vent", "minute volume of the ventilator", "L/min", 1, 0, 100),
	ventilator(152000, "MDC_VENT_VOL_MINUTE_EXP", "MVe vent", "minute volume of the ventilator, expired", "L/min", 1, 0, 100),
	ventilator(152004, "MDC_VENT_VOL_MINUTE_INSP", "MVi vent", "minute volume of the ventilator, inspired", "L/min", 1, 0, 100),
	ventilator(151880, "MDC_VOL_MINUTE_AWAY", "MV", "minute volume", "L/min", 1, 0, 100),
	ventilator(151884, "MDC_VOL_MINUTE_AWAY_EXP", "MVe", "minute volume, expired", "L/min", 1, 0, 100),
	ventilator(151888, "MDC_VOL_MINUTE_AWAY_INSP", "MVi", "minute volume, inspired", "L/min", 1, 0, 100),
	ventilator(152432, "MDC_VENT_VOL_LEAK", "Leak", "leak", "L/min", 1, 0, 200),
	ventilator(151992, "MDC_VENT_VOL_LUNG_TRAPD", "V trap", "trapped volume", "mL", 0, 0, 4000),
	airway(151976, "MDC_VENT_PRESS_AWAY_END_EXP_POS", "PEEP", "positive end-expiratory pressure"),
	airway(151804, "MDC_PRESS_AWAY_END_EXP_POS", "PEEP airway", "positive end-expiratory pressure at the airway"),
	airway(151808, "MDC_PRESS_AWAY_END_EXP_POS_INTRINSIC", "iPEEP", "intrinsic PEEP"),
	airway(152788, "MDC_PRESS_AWAY_END_EXP_POS_TOTAL", "PEEP total", "total PEEP"),
	airway(151973, "MDC_VENT_PRESS_AWAY_MAX", "Ppeak", "peak airway pressure"),
	airway(151817, "MDC_PRESS_AWAY_INSP_MAX", "PIP", "peak inspiratory pressure"),
	airway(151975, "MDC_VENT_PRESS_AWAY_MEAN", "Pmean", "mean airway pressure"),
	airway(151819, "MDC_PRESS_AWAY_INSP_MEAN", "Pmean insp", "mean inspiratory pressure"),
	airway(152424, "MDC_VENT_PRESS_RESP_PLAT", "Pplat", "plateau pressure of the ventilator"),
	airway(151784, "MDC_PRESS_RESP_PLAT", "Pplat resp", "plateau pressure"),
	airway(151794, "MDC_PRESS_AWAY_MIN", "Pmin", "least airway pressure"),
	airway(151796, "MDC_PRESS_AWAY_CTS_POS", "CPAP", "continuous positive airway pressure"),
	airway(151964, "MDC_VENT_PRESS_OCCL", "P0.1", "occlusion pressure"),
	airway(152720, "MDC_VENT_PRESS_AWAY_DELTA", "ΔP", "pressure above PEEP"),
	airway(152712, "MDC_PRESS_AWAY_INSP_END", "Pei", "end-inspiratory pressure"),
	ventilator(151688, "MDC_COMPL_LUNG", "Compl", "compliance", "mL/cm[H2O]", 0, 0, 500),
	ventilator(151692, "MDC_COMPL_LUNG_DYN", "Cdyn", "compliance, dynamic", "mL/cm[H2O]", 0, 0, 500),
	ventilator(151696, "MDC_COMPL_LUNG_STATIC", "Cstat", "compliance, static", "mL/cm[H2O]", 0, 0, 500),
	ventilator(151840, "MDC_RES_AWAY", "Raw", "airway resistance", "cm[H2O]/(L/s)", 0, 0, 1000),
	ventilator(151844, "MDC_RES_AWAY_EXP", "Rexp", "airway resistance, expiratory", "cm[H2O]/(L/s)", 0, 0, 1000),
	ventilator(151848, "MDC_RES_AWAY_INSP", "Rinsp", "airway resistance, inspiratory", "cm[H2O]/(L/s)", 0, 0, 1000),
	ventilator(151832, "MDC_RATIO_IE", "I:E", "inspiration to expiration, as the quotient I/E", "1", 2, 0, 20),
	ventilator(151769, "MDC_FLOW_AWAY_EXP_MAX", "PEF", "peak expiratory flow", "L/min", 0, 0, 400),
	ventilator(151773, "MDC_FLOW_AWAY_INSP_MAX", "PIF", "peak inspiratory flow", "L/min", 0, 0, 400),
	ventilator(private(0xF18D), "MONITORME_INSPIRATION_TIME", "Ti", "inspiration time", "s", 2, 0, 60),
	ventilator(152860, "MDC_RESP_RAPID_SHALLOW_BREATHING_INDEX", "RSBI", "rapid shallow breathing index", "/min/L", 0, 0, 1000),
	ventilator(setting(151980), "MDC_VENT_VOL_TIDAL_SETTING", "VT set", "tidal volume, set", "mL", 0, 0, 4000),
	ventilator(setting(151586), "MDC_VENT_RESP_RATE_SETTING", "RR set", "respiration rate, set", "/min", 0, 0, 200),
	ventilator(setting(151976), "MDC_VENT_PRESS_AWAY_END_EXP_POS_SETTING", "PEEP set", "PEEP, set", "cm[H2O]", 0, 0, 100),
	ventilator(setting(152196), "MDC_CONC_AWAY_O2_INSP_SETTING", "FiO2 set", "inspired oxygen, set", "%", 0, 15, 100),
	ventilator(setting(152720), "MDC_VENT_PRESS_AWAY_DELTA_SETTING", "ΔP set", "pressure above PEEP, set", "cm[H2O]", 0, 0, 150),
	ventilator(setting(151832), "MDC_RATIO_IE_SETTING", "I:E set", "inspiration to expiration, set, as the quotient I/E", "1", 2, 0, 20),
	ventilator(private(0xF18E), "MONITORME_INSPIRATION_TIME_SETTING", "Ti set", "inspiration time, set", "s", 2, 0, 60),
	ventilator(private(0xF180), "MONITORME_LEAK_FRACTION", "Leak %", "leak as a part of the volume", "%", 0, 0, 100),
	ventilator(private(0xF181), "MONITORME_MINUTE_VOLUME_SPONTANEOUS", "MV spn", "minute volume of spontaneous breaths", "L/min", 1, 0, 100),
	ventilator(private(0xF182), "MONITORME_RESP_RATE_MANDATORY", "RR mand", "respiration rate, mandatory breaths", "/min", 0, 0, 200),
	ventilator(private(0xF183), "MONITORME_NEGATIVE_INSPIRATORY_FORCE", "NIF", "negative inspiratory force", "cm[H2O]", 0, -150, 20),
	ventilator(private(0xF184), "MONITORME_FLOW_TRIGGER_SETTING", "Trigger", "flow trigger, set", "L/min", 1, 0, 50),
	ventilator(private(0xF185), "MONITORME_PRESSURE_LIMIT_SETTING", "Pmax set", "pressure limit, set", "cm[H2O]", 0, 0, 150),
	ventilator(private(0xF186), "MONITORME_FLOW_SETTING", "Flow set", "flow, set", "L/min", 0, 0, 400),
	ventilator(private(0xF187), "MONITORME_APNEA_TIME_SETTING", "Apnoea set", "apnoea time, set", "s", 0, 0, 120),
	ventilator(private(0xF188), "MONITORME_EXPIRATION_TIME", "Te", "expiration time", "s", 2, 0, 60),
	ventilator(private(0xF189), "MONITORME_MINUTE_VOLUME_SETTING", "MV set", "minute volume, set", "L/min", 1, 0, 100),
	ventilator(private(0xF18A), "MONITORME_PRESSURE_SUPPORT_SETTING", "PS set", "pressure support, set", "cm[H2O]", 0, 0, 150),
	ventilator(private(0xF18B), "MONITORME_WORK_OF_BREATHING", "WOB", "work of breathing", "J/L", 2, 0, 20),
	ventilator(private(0xF18C), "MONITORME_END_EXPIRATORY_FLOW", "Flow ee", "flow at the end of expiration", "L/min", 1, -400, 400),
	enumeration(184352, "MDC_VENT_MODE", "Mode", "ventilation mode, in the ventilator's words", "", paceSlow, "white"),
}

// gas is a concentration of a gas in the airway.
func gas(c Code, refID, label, name string, high float64) Term {
	return ventilator(c, refID, label, name, "%", 1, 0, high)
}

var gasTerms = []Term{
	gas(152196, "MDC_CONC_AWAY_O2_INSP", "FiO2", "inspired oxygen", 100),
	gas(152440, "MDC_CONC_AWAY_O2_ET", "etO2", "end-tidal oxygen", 100),
	gas(152084, "MDC_CONC_AWAY_DESFL_ET", "etDES", "desflurane, end-tidal", 30),
	gas(152168, "MDC_CONC_AWAY_DESFL_INSP", "FiDES", "desflurane, inspired", 30),
	gas(152088, "MDC_CONC_AWAY_ENFL_ET", "etENF", "enflurane, end-tidal", 20),
	gas(152172, "MDC_CONC_AWAY_ENFL_INSP", "FiENF", "enflurane, inspired", 20),
	gas(152092, "MDC_CONC_AWAY_HALOTH_ET", "etHAL", "halothane, end-tidal", 20),
	gas(152176, "MDC_CONC_AWAY_HALOTH_INSP", "FiHAL", "halothane, inspired", 20),
	gas(152096, "MDC_CONC_AWAY_SEVOFL_ET", "etSEV", "sevoflurane, end-tidal", 20),
	gas(152180, "MDC_CONC_AWAY_SEVOFL_INSP", "FiSEV", "sevoflurane, inspired", 20),
	gas(152100, "MDC_CONC_AWAY_ISOFL_ET", "etISO", "isoflurane, end-tidal", 20),
	gas(152184, "MDC_CONC_AWAY_ISOFL_INSP", "FiISO", "isoflurane, inspired", 20),
	gas(152108, "MDC_CONC_AWAY_N2O_ET", "etN2O", "nitrous oxide, end-tidal", 100),
	gas(152192, "MDC_CONC_AWAY_N2O_INSP", "FiN2O", "nitrous oxide, inspired", 100),
	gas(152460, "MDC_CONC_AWAY_AGENT_ET", "etAGT", "anaesthetic agent, unknown which, end-tidal", 30),
	gas(152464, "MDC_CONC_AWAY_AGENT_INSP", "FiAGT", "anaesthetic agent, unknown which, inspired", 30),
	ventilator(private(0xF190), "MONITORME_MAC", "MAC", "minimum alveolar concentration, sum of agents", "1", 1, 0, 10),
	ventilator(private(0xF191), "MONITORME_MAC_ET", "MAC et", "minimum alveolar concentration, sum of agents, end-tidal", "1", 1, 0, 10),
	ventilator(private(0xF192), "MONITORME_AMBIENT_PRESSURE", "Pamb", "ambient pressure", "mm[Hg]", 0, 300, 900),
	ventilator(private(0xF193), "MONITORME_OXYGEN_CONSUMPTION", "VO2", "oxygen consumption", "mL/min", 0, 0, 5000),
	ventilator(private(0xF194), "MONITORME_CO2_PRODUCTION", "VCO2", "CO2 production", "mL/min", 0, 0, 5000),
	ventilator(private(0xF195), "MONITORME_RESPIRATORY_QUOTIENT", "RQ", "respiratory quotient", "1", 2, 0, 5),
	gas(private(0xF196), "MONITORME_CO2_ET_PERCENT", "etCO2 %", "end-tidal CO2 in percent, ambient pressure unknown", 20),
	gas(private(0xF197), "MONITORME_CO2_INSP_PERCENT", "FiCO2 %", "inspired CO2 in percent, ambient pressure unknown", 20),
}
