//! `/opinion`: the same form as the button on the card.

use super::{complete_round, meant};
use crate::deliberation::round::Round;
use crate::discord::components::ask_for_opinion;
use crate::discord::reply::{Asked, Context, Failure};

/// Write or change an opinion
#[poise::command(
    slash_command,
    install_context = "Guild",
    interaction_context = "Guild"
)]
pub async fn opinion(
    ctx: Context<'_>,
    #[description = "Round"]
    #[autocomplete = "complete_round"]
    #[min = 1]
    round: Option<u32>,
) -> Result<(), Failure> {
    let asked = Asked::by_command(ctx)?;
    let round = meant(&asked, round, Round::is_open).await?;
    ask_for_opinion(&asked, round.key).await
}
