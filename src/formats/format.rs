//! Which formats there are, and what each of them holds.

/// A format for data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A COCO JSON file.
    Coco,
    /// A LVIS JSON file.
    Lvis,
    /// A bare list of results, as COCO's evaluation takes it.
    Results,
    /// A folder of YOLO's text files, one polygon a line.
    YoloSeg,
    /// A folder of YOLO's text files, one box a line.
    YoloBoxes,
    /// A folder of Pascal VOC's XML files: boxes.
    Voc,
    /// An XML file of CVAT for images: polygons and boxes.
    Cvat,
    /// A folder of labelme's JSON files.
    Labelme,
    /// A folder with a PNG for each object.
    Masks,
    /// A folder with a PNG for each image, its values the numbers of classes.
    Semantic,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 10] = [
        Self::Coco,
        Self::Lvis,
        Self::Results,
        Self::YoloSeg,
        Self::YoloBoxes,
        Self::Voc,
        Self::Cvat,
        Self::Labelme,
        Self::Masks,
        Self::Semantic,
    ];

    /// Its name as a person knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coco => "COCO",
            Self::Lvis => "LVIS",
            Self::Results => "COCO results",
            Self::YoloSeg => "YOLO (masks)",
            Self::YoloBoxes => "YOLO (boxes)",
            Self::Voc => "Pascal VOC",
            Self::Cvat => "CVAT for images",
            Self::Labelme => "labelme",
            Self::Masks => "PNG for each object",
            Self::Semantic => "PNG of class numbers",
        }
    }

    /// Its name where it is read: boxes and polygons of YOLO are told apart line by line.
    pub const fn read_name(self) -> &'static str {
        match self {
            Self::YoloSeg | Self::YoloBoxes => "YOLO",
            _ => self.name(),
        }
    }

    /// Whether it is a folder of files rather than one file.
    pub const fn is_folder(self) -> bool {
        self.is_yolo() || matches!(self, Self::Voc | Self::Labelme | Self::Masks | Self::Semantic)
    }

    /// Whether it is one of YOLO's, whose folder holds the pictures too.
    pub const fn is_yolo(self) -> bool {
        matches!(self, Self::YoloSeg | Self::YoloBoxes)
    }

    /// The ending of its file; `None` for a folder.
    pub const fn ending(self) -> Option<&'static str> {
        match self {
            Self::Coco | Self::Lvis | Self::Results => Some("json"),
            Self::Cvat => Some("xml"),
            _ => None,
        }
    }

    /// Whether it is a JSON file with the records of COCO.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Coco | Self::Lvis | Self::Results)
    }

    /// Whether masks in it have a form that can be chosen.
    pub const fn has_forms(self) -> bool {
        matches!(self, Self::Coco | Self::Lvis)
    }

    /// Whether masks become polygons in it, which are traced with a tolerance.
    pub const fn has_polygons(self) -> bool {
        self.has_forms() || matches!(self, Self::YoloSeg)
    }
}
