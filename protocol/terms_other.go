package protocol

import "slices"

// brain is a term of the head: pressures in it, and its electrical activity.
func brain(c Code, refID, label, name string, u Unit, places int, low, high float64) Term {
	return numeric(c, refID, label, name, "", u, places, low, high, paceSlow, "magenta")
}

var brainTerms = []Term{
	brain(153609, "MDC_PRESS_INTRA_CRAN_SYS", "ICP sys", "intracranial pressure, systolic", "mm[Hg]", 0, -20, 100),
	brain(153610, "MDC_PRESS_INTRA_CRAN_DIA", "ICP dia", "intracranial pressure, diastolic", "mm[Hg]", 0, -20, 100),
	brain(153611, "MDC_PRESS_INTRA_CRAN_MEAN", "ICP", "intracranial pressure, mean", "mm[Hg]", 0, -20, 100),
	brain(153604, "MDC_PRESS_CEREB_PERF", "CPP", "cerebral perfusion pressure", "mm[Hg]", 0, -50, 360),
	brain(153992, "MDC_EEG_FREQ_PWR_SPEC_CRTX_SPECTRAL_EDGE", "SEF", "spectral edge frequency", "Hz", 1, 0, 50),
	brain(154040, "MDC_EEG_PWR_SPEC_TOT", "EEG power", "total power of the EEG", "dB", 0, 0, 150),
	brain(private(0xF1A0), "MONITORME_BISPECTRAL_INDEX", "BIS", "bispectral index", "1", 0, 0, 100),
	brain(private(0xF1A1), "MONITORME_BIS_SIGNAL_QUALITY", "SQI", "signal quality of the bispectral index", "%", 0, 0, 100),
	brain(private(0xF1A2), "MONITORME_SUPPRESSION_RATIO", "SR", "part of the time with a suppressed EEG", "%", 0, 0, 100),
	brain(private(0xF1A3), "MONITORME_EMG_POWER", "EMG", "power of the muscles' activity", "dB", 0, 0, 150),
	brain(private(0xF1A4), "MONITORME_BURST_COUNT", "Bursts", "bursts in the last minute", "/min", 0, 0, 60),
	brain(private(0xF1A5), "MONITORME_STATE_ENTROPY", "SE", "state entropy", "1", 0, 0, 100),
	brain(private(0xF1A6), "MONITORME_RESPONSE_ENTROPY", "RE", "response entropy", "1", 0, 0, 100),
	brain(private(0xF1A7), "MONITORME_SURGICAL_PLETH_INDEX", "SPI", "surgical pleth index", "1", 0, 0, 100),
	brain(private(0xF1A8), "MONITORME_ATTENTION", "Attention", "attention in the device's own scale", "1", 0, 0, 100),
	brain(private(0xF1A9), "MONITORME_MEDITATION", "Meditation", "meditation in the device's own scale", "1", 0, 0, 100),
}

// Infusion pumps: the standard's codes for them were not certain.
var pumpTerms = []Term{
	numeric(private(0xF1B0), "MONITORME_INFUSION_RATE", "Rate", "infusion rate", "", "mL/h", 2, 0, 2000, paceMinute, "white"),
	numeric(private(0xF1B1), "MONITORME_INFUSION_VOLUME", "Infused", "volume infused", "", "mL", 1, 0, 100000, paceMinute, "white"),
	numeric(private(0xF1B2), "MONITORME_INFUSION_VOLUME_LEFT", "VTBI", "volume to be infused", "", "mL", 1, 0, 100000, paceMinute, "white"),
	numeric(private(0xF1B3), "MONITORME_INFUSION_PRESSURE", "P line", "pressure in the infusion line", "", "mm[Hg]", 0, -200, 2000, paceMinute, "white"),
	numeric(private(0xF1B4), "MONITORME_INFUSION_TIME_LEFT", "Time left", "time until the infusion ends", "", "min", 0, 0, 0, paceMinute, "white"),
	enumeration(private(0xF1B5), "MONITORME_INFUSION_DRUG", "Drug", "drug, as the pump names it", "", paceMinute, "white"),
	enumeration(private(0xF1B6), "MONITORME_INFUSION_STATE", "Pump", "what the pump does, in its words", "", paceMinute, "white"),
	numeric(private(0xF1B7), "MONITORME_INFUSION_BOLUS", "Bolus", "volume of the bolus", "", "mL", 2, 0, 10000, paceEpisodic, "white"),
	enumeration(private(0xF1B8), "MONITORME_INFUSION_DOSE_RATE", "Dose", "dose rate with its unit, as the pump gives it", "", paceMinute, "white"),
	enumeration(private(0xF1B9), "MONITORME_INFUSION_CONCENTRATION", "Conc", "concentration of the drug with its unit, as the pump gives it", "", paceMinute, "white"),
	numeric(private(0xF1BA), "MONITORME_INFUSION_PRESSURE_OF_LIMIT", "P of limit", "pressure in the infusion line, of the pump's limit", "", "%", 0, 0, 300, paceMinute, "white"),
	numeric(private(0xF1BB), "MONITORME_INFUSION_SYRINGE_VOLUME", "In syringe", "volume left in the syringe", "", "mL", 1, 0, 1000, paceMinute, "white"),
	enumeration(private(0xF1BC), "MONITORME_INFUSION_SYRINGE", "Syringe", "syringe in the pump, as the pump names it", "", paceMinute, "white"),
	numeric(private(0xF1BD), "MONITORME_INFUSION_BOLUS_RATE", "Bolus rate", "rate of the bolus", "", "mL/h", 1, 0, 2000, paceMinute, "white"),
}

var waveTerms = slices.Concat([]Term{
	wave(131328, "MDC_ECG_ELEC_POTL", "ECG", "ECG, lead unknown", SignECG, "mV", "green"),
}, ecgWaves("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "V", "MCL"), []Term{
	wave(Pleth, "MDC_PULS_OXIM_PLETH", "Pleth", "pleth of the oximeter", SignOxygen, "1", "cyan"),
	wave(RespirationWave, "MDC_IMPED_TTHOR", "Resp", "thoracic impedance", SignRespirationRate, "Ohm", "yellow"),
	wave(151724, "MDC_AWAY_CO2", "CO2", "CO2 at the airway", SignRespirationRate, "mm[Hg]", "yellow"),
	wave(151700, "MDC_CONC_AWAY_CO2", "CO2 conc", "CO2 at the airway, as a concentration", SignRespirationRate, "mm[Hg]", "yellow"),
	wave(ABPWave, "MDC_PRESS_BLD_ART_ABP", "ABP wave", "arterial pressure", SignBloodPressure, "mm[Hg]", "red"),
	wave(150032, "MDC_PRESS_BLD_ART", "ART wave", "arterial pressure, second line", SignBloodPressure, "mm[Hg]", "red"),
	wave(150016, "MDC_PRESS_BLD", "IBP wave", "invasive pressure, site unknown", SignBloodPressure, "mm[Hg]", "red"),
	wave(150028, "MDC_PRESS_BLD_AORT", "Ao wave", "aortic pressure", SignBloodPressure, "mm[Hg]", "red"),
	wave(150044, "MDC_PRESS_BLD_ART_PULM", "PAP wave", "pulmonary artery pressure", SignBloodPressure, "mm[Hg]", "yellow"),
	wave(150056, "MDC_PRESS_BLD_ART_UMB", "UAP wave", "umbilical artery pressure", SignBloodPressure, "mm[Hg]", "red"),
	wave(150064, "MDC_PRESS_BLD_ATR_LEFT", "LAP wave", "left atrial pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(150068, "MDC_PRESS_BLD_ATR_RIGHT", "RAP wave", "right atrial pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(150084, "MDC_PRESS_BLD_VEN_CENT", "CVP wave", "central venous pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(150088, "MDC_PRESS_BLD_VEN_UMB", "UVP wave", "umbilical venous pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(private(0xF134), "MONITORME_PRESS_RIGHT_VENTRICLE", "RVP wave", "right ventricular pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(private(0xF138), "MONITORME_PRESS_SPECIAL", "SP wave", "pressure of a special site, as the monitor calls it", SignBloodPressure, "mm[Hg]", "white"),
	wave(private(0xF13C), "MONITORME_PRESS_FEMORAL_VEIN", "FEMV wave", "femoral venous pressure", SignBloodPressure, "mm[Hg]", "blue"),
	wave(153608, "MDC_PRESS_INTRA_CRAN", "ICP wave", "intracranial pressure", "", "mm[Hg]", "white"),
	wave(151792, "MDC_PRESS_AWAY", "Paw", "airway pressure", "", "cm[H2O]", "white"),
	wave(151764, "MDC_FLOW_AWAY", "Flow", "airway flow", "", "L/min", "white"),
	wave(151908, "MDC_CONC_AWAY_O2", "O2", "oxygen at the airway", "", "%", "white"),
	wave(153900, "MDC_EEG_ELEC_POTL_CRTX", "EEG", "EEG", "", "uV", "magenta"),
	wave(153916, "MDC_EMG_ELEC_POTL_MUSCL", "EMG wave", "muscle activity", "", "uV", "magenta"),
	wave(private(0xF1C0), "MONITORME_WAVE_VOLUME", "Vol", "volume at the airway", "", "mL", "white"),
	wave(private(0xF1C1), "MONITORME_WAVE_BREATHING", "Breathing", "breathing by strap or radar, in the device's own scale", SignRespirationRate, "1", "yellow"),
	wave(private(0xF1C2), "MONITORME_WAVE_ACCELERATION", "Acc", "acceleration; the channel is the axis", "", "[g]", "white"),
	wave(private(0xF1C3), "MONITORME_WAVE_HEARTBEAT", "Heartbeat", "heartbeat by radar, in the device's own scale", SignHeartRate, "1", "green"),
	wave(private(0xF1C4), "MONITORME_WAVE_AGENT", "Agent", "anaesthetic agent at the airway", "", "%", "white"),
	wave(private(0xF1C5), "MONITORME_WAVE_N2O", "N2O", "nitrous oxide at the airway", "", "%", "white"),
	wave(private(0xF1C6), "MONITORME_WAVE_SKIN_CONDUCTANCE", "EDA", "skin conductance", "", "uS", "white"),
	wave(private(0xF1C7), "MONITORME_WAVE_ECG_OWN_SCALE", "ECG raw", "ECG, lead unknown, in the device's own scale", SignECG, "1", "green"),
})

func ecgWaves(names ...string) (terms []Term) {
	for _, l := range names {
		terms = append(terms, wave(2<<16+256+leads[l], "MDC_ECG_ELEC_POTL_"+leadRefID(l), l, "ECG lead "+l, SignECG, "mV", "green"))
	}
	return terms
}

var identityTerms = []Term{
	enumeration(IdentityModel, "MDC_ATTR_ID_MODEL", "Model", "manufacturer and model of the device", "", paceEpisodic, ""),
	enumeration(IdentitySerial, "MDC_ATTR_SYS_ID", "Serial", "serial number of the device", "", paceEpisodic, ""),
	enumeration(IdentityFirmware, "MDC_ATTR_ID_PROD_SPECN", "Firmware", "firmware or product specification of the device", "", paceEpisodic, ""),
}

var eventTerms = []Term{
	event(EventAlarm, "MDC_EVT_ALARM", "Alarm", "alarm of the device"),
	event(EventHigh, "MDC_EVT_HI", "High", "value above its limit"),
	event(EventLow, "MDC_EVT_LO", "Low", "value below its limit"),
	event(196674, "MDC_EVT_LO_VAL_LT_LIM", "Low", "value less than its lower limit"),
	event(199680, "MDC_EVT_APNEA", "Apnoea", "no breath"),
	event(199684, "MDC_EVT_ECG_ASYSTOLE", "Asystole", "no heartbeat"),
	event(199694, "MDC_EVT_ECG_BRADY_EXTREME", "Extreme brady", "heart rate extremely low"),
	event(199730, "MDC_EVT_ECG_TACHY_EXTREME", "Extreme tachy", "heart rate extremely high"),
	event(3<<16|0xF110, "MONITORME_EVT_V_FIB_TACHY", "V fib", "ventricular fibrillation or tachycardia"),
	event(199832, "MDC_EVT_ECG_V_TACHY", "V tachy", "ventricular tachycardia"),
	event(199854, "MDC_EVT_DESAT", "Desat", "oxygen saturation extremely low"),
	event(EventLeadsOff, "MDC_EVT_LEADS_OFF", "Leads off", "electrodes are off"),
	event(196876, "MDC_EVT_LEAD_DISCONN", "Lead off", "one electrode is off"),
	event(EventSensorOff, "MDC_EVT_SENSOR_DISCONN", "Sensor off", "sensor is off or disconnected"),
	event(196920, "MDC_EVT_SENSOR_PROB", "Sensor problem", "sensor is faulty"),
	event(196988, "MDC_EVT_SIG_LO", "Weak signal", "signal is weak"),
	event(196682, "MDC_EVT_NOISY", "Noise", "signal is noisy"),
	event(196640, "MDC_EVT_ERRATIC", "Erratic", "signal is erratic"),
	event(EventDisconnected, "MDC_EVT_DISCONN", "Disconnected", "device is lost"),
	event(196678, "MDC_EVT_MALF", "Malfunction", "device or part of it is faulty"),
	event(196612, "MDC_EVT_ABSENT", "Absent", "part of the device is absent"),
	event(EventBatteryLow, "MDC_EVT_BATT_LO", "Battery low", "battery of the device is low"),
	event(196806, "MDC_EVT_BATT_PROB", "Battery problem", "battery of the device is faulty"),
	event(202752, "MDC_EVT_STAT_AL_OFF", "Alarm off", "the device's own alarm is switched off"),
	event(3<<16|0xF118, "MONITORME_EVT_OTHER_BED", "Other bed", "results of another bed or patient arrived and were not taken"),
	event(3<<16|0xF119, "MONITORME_EVT_OTHER_PATIENT", "Patient changed", "device has been given another patient"),
	event(3<<16|0xF11A, "MONITORME_EVT_NOT_READ", "Not read", "device sends something that is not read"),
	event(EventDropped, "MONITORME_EVT_READINGS_DROPPED", "Readings dropped", "readings were dropped at the box"),
	event(EventClockChanged, "MONITORME_EVT_CLOCK_CHANGED", "Clock changed", "clock of the box was changed"),
	event(EventBoxOffline, "MONITORME_EVT_BOX_OFFLINE", "Box offline", "box is not connected"),
	event(EventQueueMoved, "MONITORME_EVT_QUEUE_SET_ASIDE", "Queue set aside", "queue of the box could not be read and was set aside"),
	event(EventBoxStarted, "MONITORME_EVT_BOX_STARTED", "Box started", "software of the box started"),
}

// Device types carry no readings; they are here to be named.
var deviceTerms = []Term{
	device(69965, "MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS", "patient monitor"),
	device(528388, "MDC_DEV_SPEC_PROFILE_PULS_OXIM", "pulse oximeter"),
	device(528391, "MDC_DEV_SPEC_PROFILE_BP", "blood pressure cuff"),
	device(528392, "MDC_DEV_SPEC_PROFILE_TEMP", "thermometer"),
	device(528399, "MDC_DEV_SPEC_PROFILE_SCALE", "scale"),
	device(528401, "MDC_DEV_SPEC_PROFILE_GLUCOSE", "glucose meter"),
}
