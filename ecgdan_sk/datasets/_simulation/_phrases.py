"""Free-text reports from SCP statements, in English and German, in varied words."""

# Ways to say each statement. Where PTB-XL is terse, some of these are too.
_PHRASES = {
    "en": {
        "SR": ["sinus rhythm", "normal sinus rhythm", "regular sinus rhythm"],
        "SBRAD": ["sinus bradycardia", "slow sinus rhythm"],
        "STACH": ["sinus tachycardia", "fast sinus rhythm"],
        "SARRH": ["sinus arrhythmia", "sinus rhythm varying with respiration"],
        "AFIB": [
            "atrial fibrillation",
            "atrial fibrillation with irregular ventricular response",
            "no P waves, irregular rhythm: atrial fibrillation",
        ],
        "PACE": [
            "ventricular paced rhythm",
            "pacemaker rhythm",
            "artificial pacemaker, ventricular capture",
        ],
        "NORM": ["normal ECG", "no definite pathology", "within normal limits"],
        "IMI": [
            "old inferior myocardial infarction",
            "Q waves in II, III, aVF consistent with old inferior infarction",
            "inferior infarct, probably old",
        ],
        "AMI": [
            "old anterior myocardial infarction",
            "loss of R waves in V1-V4 suggests old anterior infarction",
            "anterior infarct, age undetermined",
        ],
        "ASMI": [
            "old anteroseptal myocardial infarction",
            "QS complexes in V1-V3, old anteroseptal infarction",
            "anteroseptal infarct, probably old",
        ],
        "CLBBB": ["left bundle branch block", "complete LBBB"],
        "CRBBB": ["right bundle branch block", "complete RBBB"],
        "1AVB": [
            "first degree AV block",
            "prolonged PR interval",
            "1st degree atrioventricular block",
        ],
        "LAFB": ["left anterior fascicular block", "left anterior hemiblock"],
        "LVH": [
            "left ventricular hypertrophy",
            "voltages are high in chest leads suggesting LVH",
            "LVH",
        ],
        "LNGQT": ["prolonged QT interval", "long QT"],
        "NST_": [
            "non-specific ST changes",
            "non-specific ST-T changes",
            "minor ST-T abnormality of doubtful significance",
        ],
        "ABQRS": [
            "abnormal QRS",
            "non-specific abnormality of the QRS",
            "slurred or notched QRS complexes",
        ],
        "QWAVE": ["pathological Q waves", "Q waves present"],
        "VCLVH": ["high QRS voltage", "voltage criteria for LVH"],
        "LVOLT": ["low QRS voltage", "low voltage in limb and chest leads"],
        "STD_": ["ST depression in lateral leads", "strain pattern"],
        "INVT": ["T wave inversion", "inverted T waves"],
        "LOWT": ["flat T waves", "low amplitude T waves"],
        "PVC": [
            "ventricular premature complexes",
            "ventricular ectopic beats",
            "premature ventricular contraction(s)",
        ],
        "PAC": [
            "atrial premature complexes",
            "supraventricular ectopic beats",
            "premature atrial contraction(s)",
        ],
    },
    "de": {
        "SR": [
            "Sinusrhythmus",
            "regelmäßiger Sinusrhythmus",
            "normofrequenter Sinusrhythmus",
        ],
        "SBRAD": ["Sinusbradykardie", "bradykarder Sinusrhythmus"],
        "STACH": ["Sinustachykardie", "tachykarder Sinusrhythmus"],
        "SARRH": ["Sinusarrhythmie", "respiratorische Sinusarrhythmie"],
        "AFIB": [
            "Vorhofflimmern",
            "Vorhofflimmern mit absoluter Arrhythmie",
            "absolute Arrhythmie bei Vorhofflimmern",
        ],
        "PACE": ["Schrittmacherrhythmus", "ventrikulär stimulierter Rhythmus"],
        "NORM": ["normales EKG", "sonst normales EKG", "unauffälliger Befund"],
        "IMI": [
            "alter inferiorer Infarkt",
            "Q-Zacken in II, III, aVF: inferiorer Infarkt, wahrscheinlich alt",
            "Zustand nach Hinterwandinfarkt",
        ],
        "AMI": [
            "alter anteriorer Infarkt",
            "R-Verlust in V1-V4, anteriorer Infarkt, wahrscheinlich alt",
            "Zustand nach Vorderwandinfarkt",
        ],
        "ASMI": [
            "alter anteroseptaler Infarkt",
            "QS-Komplexe in V1-V3, anteroseptaler Infarkt",
            "anteroseptaler Infarkt, wahrscheinlich alt",
        ],
        "CLBBB": ["Linksschenkelblock", "kompletter Linksschenkelblock", "LSB"],
        "CRBBB": ["Rechtsschenkelblock", "kompletter Rechtsschenkelblock", "RSB"],
        "1AVB": ["AV-Block 1. Grades", "AV-Block I°", "PQ-Zeit verlängert"],
        "LAFB": ["linksanteriorer Hemiblock", "LAHB"],
        "LVH": ["Linkshypertrophie", "linksventrikuläre Hypertrophie"],
        "LNGQT": ["QT-Verlängerung", "verlängerte QT-Zeit"],
        "NST_": [
            "unspezifische ST-Veränderungen",
            "unspezifische ST-T-Veränderungen",
            "ST-T-Strecke unspezifisch verändert",
        ],
        "ABQRS": [
            "QRS abnormal",
            "unspezifisch veränderter QRS-Komplex",
            "QRS-Komplex aufgesplittert oder plump",
        ],
        "QWAVE": ["pathologische Q-Zacken", "Q-Zacken vorhanden"],
        "VCLVH": ["hohe QRS-Voltage", "Voltage-Kriterien für Linkshypertrophie"],
        "LVOLT": ["periphere Niederspannung", "Niedervoltage"],
        "STD_": ["ST-Senkung lateral", "ST-Senkungen in V5-V6"],
        "INVT": ["T-Negativierung", "negative T-Wellen"],
        "LOWT": ["T-Wellen abgeflacht", "flache T-Wellen"],
        "PVC": [
            "ventrikuläre Extrasystolen",
            "ventrikuläre Extrasystole(n)",
            "VES",
        ],
        "PAC": [
            "supraventrikuläre Extrasystolen",
            "supraventrikuläre Extrasystole(n)",
            "SVES",
        ],
    },
}
_AXES = {
    "en": {
        "left": ["left axis deviation", "left axis"],
        "normal": ["normal axis", "normal electrical axis"],
        "right": ["right axis deviation", "vertical to right axis"],
    },
    "de": {
        "left": ["Linkstyp", "überdrehter Linkstyp"],
        "normal": ["Lagetyp normal", "Indifferenztyp"],
        "right": ["Rechtstyp", "Steil- bis Rechtstyp"],
    },
}
_RATES = {
    "en": ["rate {:.0f}/min", "heart rate {:.0f} bpm"],
    "de": ["Frequenz {:.0f}/min", "HF {:.0f}/min"],
}
_DOUBTS = {
    "en": ["possible {}", "{}, uncertain", "suspected {}"],
    "de": ["{} möglich", "Verdacht auf {}", "{} nicht auszuschließen"],
}
_RHYTHMS = ("SR", "SBRAD", "STACH", "SARRH", "AFIB", "PACE")


def draw_reports(scp_codes, parameters, rng):
    """Reports (list of str) and their languages ("en" or "de"), one for each ECG."""
    languages = rng.choice(["en", "de"], len(scp_codes))
    rates = parameters["heart_rate_bpm"].to_numpy()
    axes = parameters["qrs_axis_deg"].to_numpy()
    reports = [
        _report(codes, str(language), rate, axis, rng)
        for codes, language, rate, axis in zip(scp_codes, languages, rates, axes)
    ]
    return reports, languages


def _report(codes, language, rate, axis, rng):
    """One report: the rhythm, then in some the rate and axis, then the findings."""
    phrases = _PHRASES[language]
    parts = [_one(phrases[code], rng) for code in codes if code in _RHYTHMS]
    if rng.random() < 0.3:
        parts.append(_one(_RATES[language], rng).format(rate))
    if rng.random() < 0.5:
        parts.append(_one(_AXES[language][_axis_type(axis)], rng))
    findings = [code for code in codes if code not in _RHYTHMS]
    rng.shuffle(findings)
    for code in findings:
        phrase = _one(phrases[code], rng)
        if 0 < codes[code] <= 50:
            phrase = _one(_DOUBTS[language], rng).format(phrase)
        parts.append(phrase)
    return _joined(parts, rng)


def _axis_type(axis):
    """Left below -30 degrees, right above 90, normal between."""
    return "left" if -120 < axis < -30 else "normal" if -30 <= axis <= 90 else "right"


def _joined(parts, rng):
    """Phrases as sentences, as a list with commas, or bare and in small letters."""
    style = rng.integers(3)
    if style == 0:
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)
    if style == 1:
        text = ", ".join(parts)
        return f"{text[0].upper()}{text[1:]}."
    return " ".join(parts).lower()


def _one(choices, rng):
    """One of the choices."""
    return choices[rng.integers(len(choices))]
