//! Measuring Accord as Bakker et al. 2022 (arXiv:2211.15006) measured their system: statements made in
//! several ways ([`arm`]), compared by a judge that had no part in choosing them.
//!
//! [`produce`] has the models write and rate, and [`log`] keeps each row at once, so that an
//! experiment that was interrupted goes on; what follows is computed from those rows alone.
//! [`case`] says which statement each arm comes to, [`comparison`] who wins, [`exclusion`] what it
//! means to be left out, [`sensitivity`] what depends on the welfare function and on the number of
//! candidates, [`independence`] how far the judge can be trusted; [`report`] tells it. [`ballots`] are for
//! people to judge, and [`rounds`] compares what the members of a community rated in their own rounds.

pub mod arm;
pub mod ballots;
pub mod case;
pub mod comparison;
pub mod exclusion;
pub mod independence;
pub mod log;
pub mod produce;
pub mod report;
pub mod rounds;
pub mod sensitivity;
pub mod statistics;
