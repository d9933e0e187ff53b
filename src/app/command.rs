//! Everything a person can do, in ONE table: the menus, the palette, the help page and the keys come from it.

use std::path::PathBuf;

use egui::Key;

use super::chord::{Chord, bare, ctrl, ctrl_shift, shift};
use super::listed::Only;
use super::object::Act;
use super::polish::Plan;
use super::settings::Settings;
use super::training::Step;
use super::transfer::Wish;
use crate::annotation::{CategoryId, ImageId, InstanceId, Shape};
use crate::assist::Scribble;
use crate::formats::exchange::Format;
use crate::formats::lvis::Mark;
use crate::geometry::{Point, Rect};
use crate::store::{Choice, Places};

/// What the pointer does on the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Selects, moves and resizes.
    Select,
    /// Draws boxes.
    Box,
    /// Draws polygons point by point.
    Polygon,
    /// Takes the region of like colour.
    Wand,
    /// Adds to a mask.
    Brush,
    /// Takes from a mask.
    Eraser,
    /// Says by strokes what belongs to an object.
    Prompt,
}

/// Which image is gone to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The first.
    First,
    /// The last.
    Last,
    /// The next without a reviewed mark.
    Unreviewed,
    /// The next with an object of the chosen class.
    OfClass,
    /// The next without objects.
    Empty,
}

/// What a finding of the health check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An image.
    Image(ImageId),
    /// An object.
    Object(InstanceId),
}

/// A vertex of an object's polygons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// The object.
    pub id: InstanceId,
    /// The ring.
    pub ring: usize,
    /// The vertex in the ring.
    pub index: usize,
}

/// A wish of the person, performed after the layout of the frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Asks for a COCO file.
    OpenFile,
    /// Asks for a folder of images.
    OpenFolder,
    /// Asks for a path in the window.
    OpenPath,
    /// Asks which of the data sets that were opened last is opened again.
    OpenRecent,
    /// Opens a path.
    Open(PathBuf),
    /// Opens a path whose project others have changed since a person's own copy of it began.
    OpenCopy {
        /// The path.
        path: PathBuf,
        /// Where both projects are.
        places: Places,
        /// What is worked on.
        choice: Choice,
    },
    /// Asks for the folder of the images.
    ChooseImageFolder,
    /// Takes the images from a folder.
    UseImageFolder(PathBuf),
    /// Stops the reading or writing of files that is under way.
    StopTask,
    /// Writes the annotations to their file.
    Save,
    /// Asks where to write the annotations.
    ExportAs,
    /// Writes the annotations to a path.
    Export(PathBuf),
    /// Chooses a format to read.
    Import,
    /// Asks for a data set of this format.
    ChooseImport(Format),
    /// Reads a data set of this format.
    ImportFrom(Format, PathBuf),
    /// Asks for a COCO file whose objects are to be added.
    AddFrom,
    /// Adds the objects of a COCO file.
    AddFile(PathBuf),
    /// Chooses a format to write.
    ExportFormat,
    /// Asks where to write the data set in another format.
    ChooseExport(Wish),
    /// Writes the data set in another format.
    ExportTo(Wish, PathBuf),
    /// Finds out what the objects of the image would keep in another format.
    Measure(Wish),
    /// Sets a mark of LVIS for the class of the image, or takes it off.
    ToggleMark(Mark),
    /// Closes the window.
    Quit,
    /// Opens a path, or closes the window where there is none, though changes are not written and will be lost.
    Abandon(Option<PathBuf>),
    /// Takes the last step back.
    Undo,
    /// Does the step again.
    Redo,
    /// Deletes the selected objects.
    Delete,
    /// Takes the shown image and its objects out of the data set.
    LeaveOut,
    /// Brings back all images that were left out.
    BringBack,
    /// Selects every object of the image that is seen.
    SelectAll,
    /// Selects those of them that are of a class of the selected ones, or of the chosen class.
    SelectClass,
    /// Does something with the selected objects as they are.
    Act(Act),
    /// Selects these objects and nothing else.
    Select(Vec<InstanceId>),
    /// Selects the object of a row of the list and nothing else.
    SelectRow(InstanceId),
    /// Selects the objects of the list from the one that was selected last to this one.
    SelectTo(InstanceId),
    /// Puts an object into the selection or takes it out.
    ToggleSelected(InstanceId),
    /// Takes what is proposed, or proposes masks for boxes.
    Accept,
    /// Stops or leaves whatever is going on, the nearest first.
    Cancel,
    /// Proposes masks for the boxes of the image.
    Propose,
    /// Proposes masks for the boxes of all images, in the background.
    ProposeAll,
    /// Lets proposing in the background rest, or go on.
    PauseProposing,
    /// Ends proposing in the background.
    StopProposing,
    /// Looks for other objects like the selected ones.
    FindOthers,
    /// Refines the selected masks.
    Refine,
    /// Shows the next mask for the selected object.
    NextAlternative,
    /// Tints where the samples disagree, or no longer.
    ToggleUncertainty,
    /// Goes to the object that the model is least sure of.
    NextUncertain,
    /// Goes to the image that the model is least sure of.
    NextUncertainImage,
    /// Makes the selected objects exemplars of their classes.
    UseAsExemplar,
    /// Forgets all exemplars.
    ForgetExemplars,
    /// Corrects an object's mask by a stroke.
    Scribble(Option<InstanceId>, Scribble),
    /// Takes (or leaves) all refined masks that are left.
    DecideAll(bool),
    /// Asks what is to be polished.
    Polish,
    /// Starts to polish.
    StartPolish(Plan),
    /// Goes on with polishing that was broken off.
    ResumePolish,
    /// Lets polishing rest, or go on.
    PausePolish,
    /// Ends polishing, or its review.
    StopPolish,
    /// Takes all changes of a polished data set, as one step.
    TakePolished,
    /// Shows one of the changes of a polished data set.
    ShowChange(usize),
    /// Asks what is to be trained, or shows what the last training came to.
    Train,
    /// Starts to train, goes on with a training that was stopped, or drops it.
    Training(Step),
    /// Ends the training, which can go on later.
    StopTraining,
    /// Asks for a file of weights.
    LoadWeights,
    /// Uses these weights for the network that they belong to.
    UseWeights(PathBuf),
    /// Uses the built-in weights again.
    BuiltInWeights,
    /// The next image.
    NextImage,
    /// The image before.
    PreviousImage,
    /// An image that is known by what it is like.
    Go(Way),
    /// The image with this index.
    GoTo(usize),
    /// Lists only the images of one kind.
    ListOnly(Only),
    /// Lists all images.
    ListAll,
    /// Searches the images.
    SearchImage,
    /// The next object.
    NextObject,
    /// The object before.
    PreviousObject,
    /// Marks the image as reviewed, or takes the mark off.
    ToggleReviewed,
    /// Another tool.
    Use(Tool),
    /// The tool that drew last.
    RepeatTool,
    /// Fills the holes of the selected masks.
    FillHoles,
    /// The hide key was let go: what was only peeked at comes back.
    EndPeek,
    /// A smaller brush.
    BrushSmaller,
    /// A larger brush.
    BrushLarger,
    /// The brush radius, in image pixels.
    BrushRadius(f64),
    /// How far colours may be from each other for the wand, in 0..=255.
    WandTolerance(f64),
    /// Hides the selected objects, or shows them.
    ToggleHidden,
    /// Hides one object or shows it.
    SetHidden(InstanceId, bool),
    /// Hides every object but the selected ones.
    HideOthers,
    /// Shows everything.
    ShowAll,
    /// Fits the image into the canvas.
    Fit,
    /// Brings the selected objects close.
    FitSelected,
    /// One image pixel a screen pixel.
    ActualSize,
    /// Zooms in at the middle.
    ZoomIn,
    /// Zooms out at the middle.
    ZoomOut,
    /// The class that a digit gives, for the selection and for what is drawn next.
    ClassNumber(u8),
    /// A class for the selection and for what is drawn next.
    Assign(CategoryId),
    /// A new class, for the selection and for what is drawn next.
    NewClass(String),
    /// Asks for another name of a class, or of the chosen one.
    AskName(Option<CategoryId>),
    /// A new name for a class.
    RenameClass(CategoryId, String),
    /// Asks which class is to get the objects of a class, or of the chosen one.
    AskMerge(Option<CategoryId>),
    /// Gives the second class all objects of the first, which goes.
    MergeClass(CategoryId, CategoryId),
    /// Takes out a class, or the chosen one, that no object has.
    DeleteClass(Option<CategoryId>),
    /// A digit that gives a class, or the usual one again.
    SetDigit(CategoryId, Option<u8>),
    /// Asks for another colour of a class, or of the chosen one.
    AskColor(Option<CategoryId>),
    /// A new colour for a class, or the usual one again.
    SetColor(CategoryId, Option<[u8; 3]>),
    /// Gives each object a colour of its own, or that of its class again.
    ToggleColors,
    /// Searches the classes.
    SearchClass,
    /// Opens the command palette.
    Palette,
    /// Opens the help page.
    Help,
    /// Opens the settings.
    Settings,
    /// Takes new settings.
    Change(Settings),
    /// Lists what is odd about the data set and its pictures, or closes the list.
    Check,
    /// Looks once more for what is odd.
    CheckAgain,
    /// Goes to what a finding is about.
    LeadTo(Target),
    /// Says why nothing can be drawn on the shown image.
    SayUndrawable,
    /// Adds a box that was drawn.
    AddBox(Rect),
    /// Adds a polygon that was drawn.
    AddPolygon(Vec<Point>),
    /// Moves a vertex.
    MoveVertex(Vertex, Point),
    /// Takes a vertex away.
    RemoveVertex(Vertex),
    /// Puts a vertex into a ring.
    InsertVertex(Vertex, Point),
    /// Takes the region of like colour around a position into the object, or out of it.
    Wand(Option<InstanceId>, Point, bool),
    /// Gives an object another box.
    Reshape(InstanceId, Rect),
    /// Moves an object.
    Move(InstanceId, Point),
    /// Moves the selected objects, or the vertex that was taken last, so many image pixels to the right and down.
    Nudge(i8, i8),
    /// Gives an object, or a new one, a painted mask.
    Paint(Option<InstanceId>, Shape),
}

/// The menu under which a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Files.
    File,
    /// Steps, selection and classes.
    Edit,
    /// Objects and masks.
    Object,
    /// What the models do.
    Assistant,
    /// Under it: what proposals follow.
    Exemplar,
    /// Under it: rest and end of what runs in the background.
    Job,
    /// Tools.
    Tool,
    /// Images and what is seen.
    View,
    /// Under it: images and objects that are known by what they are like.
    Way,
    /// Under it: which images are listed.
    Filter,
    /// Help.
    Help,
    /// In the palette and help page only.
    None,
}

impl Menu {
    /// The menus of the menu bar, in order.
    pub const BAR: [(Self, &'static str); 7] = [
        (Self::File, "File"),
        (Self::Edit, "Edit"),
        (Self::Object, "Object"),
        (Self::Assistant, "Assistant"),
        (Self::Tool, "Tool"),
        (Self::View, "View"),
        (Self::Help, "Help"),
    ];

    /// The menu that this one stands under, and its name there; `None` where it is one of the menu bar.
    pub const fn above(self) -> Option<(Self, &'static str)> {
        match self {
            Self::Exemplar => Some((Self::Assistant, "Exemplars")),
            Self::Job => Some((Self::Assistant, "Running jobs")),
            Self::Way => Some((Self::View, "Go to")),
            Self::Filter => Some((Self::View, "Filter images")),
            _ => None,
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is done.
    pub command: Command,
    /// Its name in menus and palette.
    pub name: &'static str,
    /// The keys that do it.
    pub keys: &'static [Chord],
    /// One sentence for the tooltip.
    pub tip: &'static str,
    /// Where it stands.
    pub menu: Menu,
}

macro_rules! table {
    ($($menu:ident $command:expr, $name:literal, [$($key:expr),*], $tip:literal;)*) => {
        &[$(Entry { command: $command, name: $name, keys: &[$($key),*], tip: $tip, menu: Menu::$menu }),*]
    };
}

/// The table.
pub static TABLE: &[Entry] = table! {
    File Command::OpenFolder, "Open folder…", [ctrl_shift(Key::O)], "Opens a folder of images";
    File Command::OpenFile, "Open COCO file…", [ctrl(Key::O)], "Opens a COCO JSON file with its images";
    File Command::OpenPath, "Open path…", [], "Opens a file or folder whose path is typed";
    File Command::OpenRecent, "Open recent…", [], "Opens one of the data sets that were opened last";
    File Command::ChooseImageFolder, "Choose image folder…", [], "Says where the images of the data set are; the project remembers it";
    File Command::Save, "Save", [ctrl(Key::S)], "Writes the annotations to their COCO file; the project holds them all the time besides";
    File Command::ExportAs, "Export COCO as…", [ctrl(Key::E)], "Writes the annotations to another COCO file";
    File Command::Import, "Import…", [ctrl_shift(Key::I)], "Reads YOLO, VOC, CVAT, labelme or PNG masks into a new COCO file";
    File Command::AddFrom, "Add annotations from…", [], "Adds the objects of another COCO file; where both have labelled an image differently, all stay";
    File Command::ExportFormat, "Export as…", [ctrl_shift(Key::E)], "Writes another format or another form of masks, and tells what that loses";
    File Command::Settings, "Settings…", [bare(Key::F2)], "Steps, device, looks";
    File Command::Quit, "Quit", [ctrl(Key::Q)], "Closes the window; nothing is lost";
    Edit Command::Undo, "Undo", [ctrl(Key::Z)], "Takes the last step back; one of another image is shown first";
    Edit Command::Redo, "Redo", [ctrl_shift(Key::Z), ctrl(Key::Y)], "Does the step again that was taken back";
    Edit Command::SelectAll, "Select all objects", [ctrl(Key::A)], "Selects every object of this image that is not hidden";
    Edit Command::SelectClass, "Select all of this class", [ctrl_shift(Key::A)], "Selects every object of the selected one's class, or of the chosen class, on this image";
    Edit Command::Act(Act::Copy), "Copy", [ctrl(Key::C)], "Copies the selected objects, for other images too";
    Edit Command::Act(Act::Paste), "Paste", [ctrl(Key::V)], "Puts what was copied onto this image, at the same place; beside it where it lies there already";
    Edit Command::Act(Act::PasteAnew), "Paste with new masks", [shift(Key::V)], "Puts the boxes of what was copied onto this image, and proposes a mask in each: for the next frame of a film";
    Edit Command::Delete, "Delete", [bare(Key::Delete), bare(Key::Backspace)], "Deletes the selected objects; undo brings them back";
    Edit Command::LeaveOut, "Leave image out", [shift(Key::L)], "Takes this image and its objects out of the data set; its file stays, and undo brings it back";
    Edit Command::BringBack, "Bring back images", [], "Brings back all images that were left out, with their objects";
    Edit Command::AskName(None), "Rename class…", [], "Gives the chosen class another name";
    Edit Command::AskMerge(None), "Merge class into…", [], "Gives another class all objects of the chosen one, which goes";
    Edit Command::AskColor(None), "Colour of class…", [], "Gives the chosen class another colour; the project keeps it, annotation files do not have it";
    Edit Command::DeleteClass(None), "Delete class", [], "Takes the chosen class out of the list, if no object of the data set has it";
    Object Command::SearchClass, "Class…", [bare(Key::Slash)], "Finds or makes a class for the selection";
    Object Command::NextObject, "Next object", [bare(Key::Tab)], "Selects the next object";
    Object Command::PreviousObject, "Previous object", [shift(Key::Tab)], "Selects the object before";
    Object Command::FillHoles, "Fill holes", [bare(Key::X)], "Fills the holes of the selected masks";
    Object Command::Act(Act::Join), "Join", [bare(Key::J)], "Makes one object of the selected masks; the first selected one gets them all";
    Object Command::Act(Act::Split), "Split", [], "Makes an object of each connected part of the selected masks";
    Object Command::Act(Act::MakePolygons), "Make polygons", [], "Makes polygons of the selected masks, whose vertices can be moved";
    Object Command::Act(Act::ToggleCrowd), "Mark as crowd", [], "COCO: each selected outline covers a crowd rather than one object, or takes that mark off";
    Object Command::ToggleHidden, "Hide or show", [bare(Key::H)], "Hides the selected objects, or all where none is selected; held down, only as long";
    Object Command::HideOthers, "Hide all others", [ctrl(Key::H)], "Hides every object but the selected ones";
    Object Command::ShowAll, "Show all", [shift(Key::H)], "Shows every hidden object";
    Object Command::ToggleMark(Mark::Absent), "Class verified absent", [shift(Key::N)], "LVIS: there is no object of the chosen class on this image, or takes that mark off";
    Object Command::ToggleMark(Mark::NotExhaustive), "Class not exhaustively labelled", [shift(Key::X)], "LVIS: there are more objects of the chosen class on this image than are labelled, or takes that mark off";
    Assistant Command::Accept, "Propose or accept", [bare(Key::Enter)], "Proposes masks for boxes without one, or takes what is shown and goes on";
    Assistant Command::Cancel, "Cancel", [bare(Key::Escape)], "Stops the model, leaves the refined mask that is shown, ends the selection; the box stays";
    Assistant Command::Propose, "Propose masks for boxes", [], "Runs the diffusion segmenter over every box of this image that has no mask";
    Assistant Command::ProposeAll, "Propose masks for all images", [], "Runs the segmenter over every box of the data set that has no mask, in the background";
    Assistant Command::NextAlternative, "Next alternative mask", [bare(Key::Space)], "Shows another mask that the model finds for the selected object";
    Assistant Command::FindOthers, "Find others like it", [shift(Key::W)], "Looks over the image for objects like the selected ones, and proposes a mask for each";
    Exemplar Command::UseAsExemplar, "Use as exemplar", [bare(Key::K)], "With weights that look at exemplars, the next proposals for its class follow the selected object";
    Exemplar Command::ForgetExemplars, "Forget exemplars", [], "Proposals follow no exemplars any more";
    Assistant Command::Refine, "Refine selected masks", [bare(Key::G)], "Runs the diffusion refiner over the selected masks and shows what it changes";
    Assistant Command::DecideAll(true), "Take all refined masks", [shift(Key::Enter)], "Takes every change of the review that is left, as one step";
    Assistant Command::DecideAll(false), "Leave all refined masks", [shift(Key::Escape)], "Leaves every mask of the review as it was";
    Assistant Command::Polish, "Polish data set…", [], "Refines all masks in the background and shows each change, the largest first";
    Assistant Command::Train, "Train the assistant…", [], "Lets a network learn from the masks of the data set in the background, and shows whether it helped";
    Job Command::PauseProposing, "Pause or go on proposing", [], "Lets proposing in the background rest, or go on";
    Job Command::StopProposing, "Stop proposing", [], "Ends proposing in the background; the masks that came stay";
    Job Command::PausePolish, "Pause or go on polishing", [], "Lets the polish job rest, or go on";
    Job Command::StopPolish, "Stop polishing", [], "Ends the polish job and shows what it has found, or ends its review";
    Job Command::StopTraining, "Stop training", [], "Ends the training, which can go on later";
    Assistant Command::LoadWeights, "Load weights…", [], "Uses weights that training wrote, from now on";
    Assistant Command::BuiltInWeights, "Built-in weights", [], "Uses the weights inside the program again";
    Tool Command::Use(Tool::Select), "Select", [bare(Key::V)], "Selects objects, moves and resizes boxes";
    Tool Command::Use(Tool::Box), "Box", [bare(Key::R), bare(Key::W)], "Draws boxes; the model proposes a mask for each";
    Tool Command::Use(Tool::Polygon), "Polygon", [bare(Key::P)], "Draws an outline point by point; Enter or the first point closes it, Del takes a point back";
    Tool Command::Use(Tool::Wand), "Magic wand", [bare(Key::M)], "Takes the region of like colour under a click; Ctrl takes it out, Alt+wheel changes how like";
    Tool Command::Use(Tool::Brush), "Brush", [bare(Key::B)], "Paints a mask; Ctrl-drag erases";
    Tool Command::Use(Tool::Eraser), "Eraser", [bare(Key::E)], "Erases from a mask";
    Tool Command::Use(Tool::Prompt), "Correct by strokes", [bare(Key::Q)], "Click or stroke what belongs to the object; with the right button or Alt, what does not";
    Tool Command::RepeatTool, "Repeat last tool", [bare(Key::N)], "Takes the tool again that drew last";
    Tool Command::BrushSmaller, "Smaller brush", [bare(Key::OpenBracket)], "Makes the brush smaller; Alt+wheel does too";
    Tool Command::BrushLarger, "Larger brush", [bare(Key::CloseBracket)], "Makes the brush larger; Alt+wheel does too";
    View Command::NextImage, "Next image", [bare(Key::D), bare(Key::PageDown)], "Goes to the next image";
    View Command::PreviousImage, "Previous image", [bare(Key::A), bare(Key::PageUp)], "Goes to the image before";
    View Command::SearchImage, "Go to image…", [ctrl(Key::G)], "Finds an image by its file name or its number";
    Way Command::Go(Way::First), "First image", [bare(Key::Home)], "Goes to the first image";
    Way Command::Go(Way::Last), "Last image", [bare(Key::End)], "Goes to the last image";
    Way Command::Go(Way::Unreviewed), "Next unreviewed image", [ctrl_shift(Key::D)], "Goes to the next image without a reviewed mark";
    Way Command::Go(Way::OfClass), "Next image with the chosen class", [], "Goes to the next image that has an object of the chosen class";
    Way Command::Go(Way::Empty), "Next image without objects", [], "Goes to the next image on which nothing is labelled";
    Way Command::NextUncertain, "Next most uncertain object", [shift(Key::U)], "Goes to the object that the model is least sure of, on whatever image";
    Way Command::NextUncertainImage, "Next most uncertain image", [ctrl(Key::U)], "Goes to the unreviewed image that the model is least sure of";
    Filter Command::ListOnly(Only::OfClass(None)), "Show only images with the chosen class", [], "Lists and goes through only the images that have an object of the chosen class";
    Filter Command::ListOnly(Only::Unreviewed), "Show only unreviewed images", [], "Lists and goes through only the images without a reviewed mark";
    Filter Command::ListOnly(Only::Empty), "Show only images without objects", [], "Lists and goes through only the images on which nothing is labelled";
    Filter Command::ListAll, "Show all images", [], "Lists and goes through all images again";
    View Command::ToggleReviewed, "Mark image reviewed", [shift(Key::M)], "Marks this image as reviewed, or takes the mark off";
    View Command::Fit, "Fit image", [bare(Key::F)], "Fits the whole image into the canvas";
    View Command::FitSelected, "Fit selection", [shift(Key::F)], "Brings the selected objects close";
    View Command::ActualSize, "Zoom 100 %", [ctrl(Key::Num0)], "Shows one image pixel as one screen pixel";
    View Command::ZoomIn, "Zoom in", [ctrl(Key::Plus), ctrl(Key::Equals)], "Zooms in; the wheel zooms at the cursor";
    View Command::ZoomOut, "Zoom out", [ctrl(Key::Minus)], "Zooms out; the wheel zooms at the cursor";
    View Command::ToggleUncertainty, "Show uncertainty", [bare(Key::U)], "Tints where the model's samples disagree along a mask's boundary";
    View Command::ToggleColors, "Colour by class or object", [], "Gives each object of an image a colour of its own, or that of its class again";
    View Command::Check, "Check…", [bare(Key::F3)], "Lists what is odd about the annotations and images; each line leads to its object";
    Help Command::Palette, "Command palette…", [ctrl(Key::P)], "Finds a command by its name";
    Help Command::Help, "Shortcuts…", [bare(Key::F1)], "Shows all keys";
    None Command::Nudge(-1, 0), "Move left", [bare(Key::ArrowLeft)], "Moves the selection by one image pixel";
    None Command::Nudge(1, 0), "Move right", [bare(Key::ArrowRight)], "Moves the selection by one image pixel";
    None Command::Nudge(0, -1), "Move up", [bare(Key::ArrowUp)], "Moves the selection by one image pixel";
    None Command::Nudge(0, 1), "Move down", [bare(Key::ArrowDown)], "Moves the selection by one image pixel";
    None Command::Nudge(-10, 0), "Move far left", [shift(Key::ArrowLeft)], "Moves the selection by ten image pixels";
    None Command::Nudge(10, 0), "Move far right", [shift(Key::ArrowRight)], "Moves the selection by ten image pixels";
    None Command::Nudge(0, -10), "Move far up", [shift(Key::ArrowUp)], "Moves the selection by ten image pixels";
    None Command::Nudge(0, 10), "Move far down", [shift(Key::ArrowDown)], "Moves the selection by ten image pixels";
    None Command::ClassNumber(1), "Class 1", [bare(Key::Num1)], "Gives the selection the class with this number";
    None Command::ClassNumber(2), "Class 2", [bare(Key::Num2)], "Gives the selection the class with this number";
    None Command::ClassNumber(3), "Class 3", [bare(Key::Num3)], "Gives the selection the class with this number";
    None Command::ClassNumber(4), "Class 4", [bare(Key::Num4)], "Gives the selection the class with this number";
    None Command::ClassNumber(5), "Class 5", [bare(Key::Num5)], "Gives the selection the class with this number";
    None Command::ClassNumber(6), "Class 6", [bare(Key::Num6)], "Gives the selection the class with this number";
    None Command::ClassNumber(7), "Class 7", [bare(Key::Num7)], "Gives the selection the class with this number";
    None Command::ClassNumber(8), "Class 8", [bare(Key::Num8)], "Gives the selection the class with this number";
    None Command::ClassNumber(9), "Class 9", [bare(Key::Num9)], "Gives the selection the class with this number";
};

/// What the pointer does besides; lines of the help page.
pub const POINTER: &[(&str, &str)] = &[
    ("Wheel", "Zoom at the cursor"),
    ("Space-drag, middle-drag", "Move the image"),
    ("Left, right with Q", "Belongs to the object, does not (Alt too)"),
    ("Alt+wheel", "Brush size"),
    ("Ctrl-drag with the brush", "Erase"),
    ("Shift-click", "Add to the selection; in the list, all rows up to this one"),
    ("Ctrl-click in the list", "Add to the selection"),
    ("Arrows, Shift+arrows", "Move the selection, or the vertex clicked last, by one pixel, by ten"),
    ("Alt-click on a vertex, an edge", "Remove the vertex, add one"),
    ("Right-click on an object", "What can be done with it, with the select tool or in the list"),
    ("Right-click on a class", "Show only its images, give it a key, rename, colour, merge or delete it"),
    ("H held down", "Hide as long as it is held"),
    ("Drop a file or folder", "Open it"),
];

/// The line of the table for `command`.
pub fn entry(command: &Command) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.command == *command)
}
