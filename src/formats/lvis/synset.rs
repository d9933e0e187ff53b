//! The 80 classes of COCO with the synsets (of `WordNet`) under which LVIS has them.
//!
//! Ids, names and groups are those of COCO 2017 (CC BY 4.0); the synsets are those of the table `coco_to_synset.json` that
//! the LVIS API publishes, with `sausage.n.01` for hot dogs, which is the synset of LVIS 0.5 and 1.0.

/// A class of COCO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CocoClass {
    /// Its id in COCO's own files.
    pub id: i64,
    /// Its name there.
    pub name: &'static str,
    /// The group it belongs to.
    pub supercategory: &'static str,
    /// Its synset in LVIS.
    pub synset: &'static str,
}

/// The class with this synset.
pub fn with_synset(synset: &str) -> Option<&'static CocoClass> {
    COCO.iter().find(|class| class.synset == synset)
}

/// The class with this name.
pub fn with_name(name: &str) -> Option<&'static CocoClass> {
    COCO.iter().find(|class| class.name == name)
}

const fn class(id: i64, name: &'static str, supercategory: &'static str, synset: &'static str) -> CocoClass {
    CocoClass { id, name, supercategory, synset }
}

/// All of them, by id.
#[rustfmt::skip]
pub const COCO: [CocoClass; 80] = [
    class(1, "person", "person", "person.n.01"),
    class(2, "bicycle", "vehicle", "bicycle.n.01"),
    class(3, "car", "vehicle", "car.n.01"),
    class(4, "motorcycle", "vehicle", "motorcycle.n.01"),
    class(5, "airplane", "vehicle", "airplane.n.01"),
    class(6, "bus", "vehicle", "bus.n.01"),
    class(7, "train", "vehicle", "train.n.01"),
    class(8, "truck", "vehicle", "truck.n.01"),
    class(9, "boat", "vehicle", "boat.n.01"),
    class(10, "traffic light", "outdoor", "traffic_light.n.01"),
    class(11, "fire hydrant", "outdoor", "fireplug.n.01"),
    class(13, "stop sign", "outdoor", "stop_sign.n.01"),
    class(14, "parking meter", "outdoor", "parking_meter.n.01"),
    class(15, "bench", "outdoor", "bench.n.01"),
    class(16, "bird", "animal", "bird.n.01"),
    class(17, "cat", "animal", "cat.n.01"),
    class(18, "dog", "animal", "dog.n.01"),
    class(19, "horse", "animal", "horse.n.01"),
    class(20, "sheep", "animal", "sheep.n.01"),
    class(21, "cow", "animal", "beef.n.01"),
    class(22, "elephant", "animal", "elephant.n.01"),
    class(23, "bear", "animal", "bear.n.01"),
    class(24, "zebra", "animal", "zebra.n.01"),
    class(25, "giraffe", "animal", "giraffe.n.01"),
    class(27, "backpack", "accessory", "backpack.n.01"),
    class(28, "umbrella", "accessory", "umbrella.n.01"),
    class(31, "handbag", "accessory", "bag.n.04"),
    class(32, "tie", "accessory", "necktie.n.01"),
    class(33, "suitcase", "accessory", "bag.n.06"),
    class(34, "frisbee", "sports", "frisbee.n.01"),
    class(35, "skis", "sports", "ski.n.01"),
    class(36, "snowboard", "sports", "snowboard.n.01"),
    class(37, "sports ball", "sports", "ball.n.06"),
    class(38, "kite", "sports", "kite.n.03"),
    class(39, "baseball bat", "sports", "baseball_bat.n.01"),
    class(40, "baseball glove", "sports", "baseball_glove.n.01"),
    class(41, "skateboard", "sports", "skateboard.n.01"),
    class(42, "surfboard", "sports", "surfboard.n.01"),
    class(43, "tennis racket", "sports", "tennis_racket.n.01"),
    class(44, "bottle", "kitchen", "bottle.n.01"),
    class(46, "wine glass", "kitchen", "wineglass.n.01"),
    class(47, "cup", "kitchen", "cup.n.01"),
    class(48, "fork", "kitchen", "fork.n.01"),
    class(49, "knife", "kitchen", "knife.n.01"),
    class(50, "spoon", "kitchen", "spoon.n.01"),
    class(51, "bowl", "kitchen", "bowl.n.03"),
    class(52, "banana", "food", "banana.n.02"),
    class(53, "apple", "food", "apple.n.01"),
    class(54, "sandwich", "food", "sandwich.n.01"),
    class(55, "orange", "food", "orange.n.01"),
    class(56, "broccoli", "food", "broccoli.n.01"),
    class(57, "carrot", "food", "carrot.n.01"),
    class(58, "hot dog", "food", "sausage.n.01"),
    class(59, "pizza", "food", "pizza.n.01"),
    class(60, "donut", "food", "doughnut.n.02"),
    class(61, "cake", "food", "cake.n.03"),
    class(62, "chair", "furniture", "chair.n.01"),
    class(63, "couch", "furniture", "sofa.n.01"),
    class(64, "potted plant", "furniture", "pot.n.04"),
    class(65, "bed", "furniture", "bed.n.01"),
    class(67, "dining table", "furniture", "dining_table.n.01"),
    class(70, "toilet", "furniture", "toilet.n.02"),
    class(72, "tv", "electronic", "television_receiver.n.01"),
    class(73, "laptop", "electronic", "laptop.n.01"),
    class(74, "mouse", "electronic", "mouse.n.04"),
    class(75, "remote", "electronic", "remote_control.n.01"),
    class(76, "keyboard", "electronic", "computer_keyboard.n.01"),
    class(77, "cell phone", "electronic", "cellular_telephone.n.01"),
    class(78, "microwave", "appliance", "microwave.n.02"),
    class(79, "oven", "appliance", "oven.n.01"),
    class(80, "toaster", "appliance", "toaster.n.02"),
    class(81, "sink", "appliance", "sink.n.01"),
    class(82, "refrigerator", "appliance", "electric_refrigerator.n.01"),
    class(84, "book", "indoor", "book.n.01"),
    class(85, "clock", "indoor", "clock.n.01"),
    class(86, "vase", "indoor", "vase.n.01"),
    class(87, "scissors", "indoor", "scissors.n.01"),
    class(88, "teddy bear", "indoor", "teddy.n.01"),
    class(89, "hair drier", "indoor", "hand_blower.n.01"),
    class(90, "toothbrush", "indoor", "toothbrush.n.01"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_synset_names_one_class() {
        for class in &COCO {
            assert_eq!(with_synset(class.synset), Some(class));
            assert_eq!(with_name(class.name), Some(class));
        }
        assert!(COCO.is_sorted_by_key(|class| class.id));
        assert_eq!(with_synset("cat.n.01").map(|class| class.id), Some(17));
        assert_eq!(with_synset("acorn.n.01"), None);
    }
}
