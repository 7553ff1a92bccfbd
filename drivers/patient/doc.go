// Package patient makes the bodies at the far end of simulated devices: models
// of a physiology (New) and recordings of real people (OpenRecordings), both
// behind drivers.Patient.
//
// A Model is a pure function of its seed and of time: any instant can be asked
// for, in any order, from several goroutines, and gives the same answer today
// and tomorrow. What it makes hangs together: numerics are counted from the
// beats and breaths that the waves show, an extra beat gives a weak pulse, a
// breath held desaturates half a minute later. A Scenario adds episodes.
//
// The electrocardiogram follows McSharry, Clifford, Tarassenko and Smith, "A
// dynamical model for generating synthetic electrocardiogram signals", IEEE
// Trans Biomed Eng 2003;50(3):289-294, solved in closed form along its limit
// cycle: P, Q, R, S and T are Gaussian bumps around each R peak, the rhythm has
// a spectrum with one peak near 0.1 Hz and one at the breathing rate.
//
// Nothing here is a test of a medical device, and no model is a person. The
// package decides nothing about devices: what is worn, how often a cuff
// inflates and how numbers are rounded is the simulator's business.
package patient
