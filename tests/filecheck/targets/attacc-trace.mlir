// One step's PIM launches as requests for AttAcc's Ramulator: rows in the addresses of MACs, fences as in the program.

// RUN: xdsl-opt %s -t "attacc-trace{ordinary=keep}" | filecheck %s

// A vector for each of four banks, in pieces; then columns of the open row.
// CHECK:      PIM_WR_GB 0x40000000
// CHECK-NEXT: PIM_WR_GB 0x40000001
// CHECK-NEXT: PIM_WR_GB 0x41000000
// CHECK-NEXT: PIM_WR_GB 0x41000001
// CHECK-NEXT: PIM_WR_GB 0x42000000
// CHECK-NEXT: PIM_WR_GB 0x42000001
// CHECK-NEXT: PIM_WR_GB 0x43000000
// CHECK-NEXT: PIM_WR_GB 0x43000001
// CHECK-NEXT: PIM_BARRIER 0x00000000
// CHECK-NEXT: PIM_BARRIER 0x40000000
// CHECK-NEXT: PIM_MAC_AB 0x40001c60
// CHECK-NEXT: PIM_MAC_AB 0x40001c80

// Scores go by bank group and rank, sums by bank and rank.
// CHECK-NEXT: PIM_MV_SB 0x40000000
// CHECK-NEXT: PIM_MV_SB 0x50000000
// CHECK-NEXT: PIM_MV_SB 0x44000000
// CHECK-NEXT: PIM_MV_SB 0x54000000
// CHECK-NEXT: PIM_MV_SB 0x48000000
// CHECK-NEXT: PIM_MV_SB 0x58000000
// CHECK-NEXT: PIM_MV_SB 0x4c000000
// CHECK-NEXT: PIM_MV_SB 0x5c000000
// CHECK-NEXT: PIM_SFM 0x40000000
// CHECK-NEXT: PIM_MV_GB 0x40000001
// CHECK-NEXT: PIM_MV_GB 0x44000001
// CHECK-NEXT: PIM_MV_GB 0x48000001
// CHECK-NEXT: PIM_MV_GB 0x4c000001
// CHECK-NEXT: PIM_MV_GB 0x50000001
// CHECK-NEXT: PIM_MV_GB 0x54000001
// CHECK-NEXT: PIM_MV_GB 0x58000001
// CHECK-NEXT: PIM_MV_GB 0x5c000001
// CHECK-NEXT: PIM_MV_SB 0x40000000
// CHECK-NEXT: PIM_MV_SB 0x50000000
// CHECK-NEXT: PIM_MV_SB 0x41000000
// CHECK-NEXT: PIM_MV_SB 0x51000000
// CHECK-NEXT: PIM_MV_SB 0x42000000
// CHECK-NEXT: PIM_MV_SB 0x52000000
// CHECK-NEXT: PIM_MV_SB 0x43000000
// CHECK-NEXT: PIM_MV_SB 0x53000000

// Bank 45 is pseudo-channel 1, bank group 2, rank 1, bank 2.
// CHECK-NEXT: ST 0x7a001400
// CHECK-NEXT: ST 0x7a001420

// A vector in the global buffer of a channel is one for every bank; a MAC waits for it, and a move for the MAC.
// CHECK-NEXT: PIM_WR_GB 0x00000000
// CHECK-NEXT: PIM_WR_GB 0x01000000
// CHECK-NEXT: PIM_WR_GB 0x02000000
// CHECK-NEXT: PIM_WR_GB 0x03000000
// CHECK-NEXT: PIM_BARRIER 0x00000000
// CHECK-NEXT: PIM_MAC_AB 0x00002020
// CHECK-NEXT: PIM_BARRIER 0x00000000
// CHECK-NEXT: PIM_MV_SB 0x00000000
// CHECK:      PIM_MV_SB 0x1c000000
// CHECK-NOT:  PIM_MV_SB

builtin.module attributes {llm.bounds = #llm.bounds<phase = decode, sequences = 1, new_tokens = 1, context = 64>, pim.memory = #pim.memory<name = "small", channels = 2, banks = 64, rows = 16384, row_bytes = 1024, column_bytes = 32, buffer_bytes = 512, dual_row_buffer = false, softmax_buffer_bytes = 4096, commands = [mac_tree], parts = 16>} {
  func.func @bank_commands(%x: !host.buffer<1x64xf16>) attributes {device = "pim"} {
    pim.write_vector(space = local, src = %x, channel_stride = 0, columns = 2, elements = 64, half = 0, parts = 16, channel = 1, channels = 1) : !host.buffer<1x64xf16>
    pim.fence(channel = 0, channels = 2)
    pim.activate(row = 7, channel = 1, channels = 1)
    pim.mac_tree(column = 3, columns = 1, first = 0, depth = 2, half = 0, result_half = 0, channel = 1, channels = 1)
    pim.mac_lanes(column = 4, columns = 1, first = 0, half = 0, result_half = 1, channel = 1, channels = 1)
    pim.precharge(channel = 1, channels = 1)
    pim.move_scores(dst = 0, channel_stride = 0, tokens = 16, limit = 4, result_half = 0, parts = 16, channel = 1, channels = 1)
    pim.softmax_head(src = 0, src_stride = 0, dst = 1024, dst_stride = 0, cols = 4, scale = 0.125, channel = 1, channels = 1)
    pim.move_vector(src = 1024, channel_stride = 0, first = 1, columns = 1, limit = 4, half = 0, parts = 16, channel = 1, channels = 1)
    pim.move_sums(space = local, dst = %x, channel_stride = 0, elements = 32, result_half = 1, parts = 16, channel = 1, channels = 1) : !host.buffer<1x64xf16>
    pim.write(src = %x, channel = 1, bank = 45, row = 5, offset = 30, bytes = 4) : !host.buffer<1x64xf16>
    pim.write_buffer(space = local, src = %x, channel_stride = 0, columns = 1, buffer_column = 0, channel = 0, channels = 1) : !host.buffer<1x64xf16>
    pim.activate(row = 8, channel = 0, channels = 1)
    pim.mac(column = 1, columns = 1, buffer_column = 0, channel = 0, channels = 1)
    pim.read_acc(space = local, dst = %x, channel_stride = 64, banks = 16, channel = 0, channels = 1) : !host.buffer<1x64xf16>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %x = host.buffer {role = "tokens", address = 0 : i64} : !host.buffer<1x64xf16>
    %start = host.start
    %done = host.launch @bank_commands(%x) after(%start) : !host.buffer<1x64xf16>
    func.return
  }
}
