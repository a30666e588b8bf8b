//! Placeholder. 
fn main(){}
